//! Credentials: what each provider documents of the form of its tokens.
//!
//! A token is a fixed prefix and a body of one alphabet and known lengths; where the provider
//! gives a checksum it is named. Sources: the providers' own pages on token formats.

use sluice_contract::class::Class;

/// Characters of a token's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Alphabet {
    /// `A-Z a-z 0-9`
    Alnum,
    /// `A-Z a-z 0-9 _ -`
    Url,
    /// `A-Z a-z 0-9 + / =`
    Base64,
    /// `0-9 a-f`
    Hex,
    /// `A-Z 0-9`
    Upper,
    /// `a-z 0-9`
    Lower,
    /// `A-Z a-z 0-9 _ - .`
    Dotted,
}

/// What else must hold of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Check {
    /// Nothing: prefix and length are enough.
    None,
    /// The last six characters are CRC-32 of the ones before in base 62.
    Crc62,
    /// The body holds this text.
    Holds(&'static str),
}

/// One form of token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// How it begins.
    pub(crate) prefix: &'static str,
    /// Its class.
    pub(crate) class: Class,
    /// Characters after the prefix.
    pub(crate) alphabet: Alphabet,
    /// Shortest body.
    pub(crate) shortest: u16,
    /// Longest body.
    pub(crate) longest: u16,
    /// What else must hold.
    pub(crate) check: Check,
}

const fn token(
    prefix: &'static str,
    class: Class,
    alphabet: Alphabet,
    shortest: u16,
    longest: u16,
) -> Token {
    Token { prefix, class, alphabet, shortest, longest, check: Check::None }
}

const fn checked(token: Token, check: Check) -> Token {
    Token { check, ..token }
}

use Alphabet::{Alnum, Base64, Dotted, Hex, Lower, Upper, Url};

/// Every form of token.
pub(crate) static TOKENS: &[Token] = &[
    checked(token("ghp_", Class::SECRET_GITHUB, Alnum, 36, 36), Check::Crc62),
    checked(token("gho_", Class::SECRET_GITHUB, Alnum, 36, 36), Check::Crc62),
    checked(token("ghu_", Class::SECRET_GITHUB, Alnum, 36, 36), Check::Crc62),
    checked(token("ghs_", Class::SECRET_GITHUB, Alnum, 36, 36), Check::Crc62),
    checked(token("ghr_", Class::SECRET_GITHUB, Alnum, 36, 76), Check::Crc62),
    token("github_pat_", Class::SECRET_GITHUB, Url, 70, 90),
    token("glpat-", Class::SECRET_GITLAB, Dotted, 20, 300),
    token("gldt-", Class::SECRET_GITLAB, Url, 20, 64),
    token("glrt-", Class::SECRET_GITLAB, Dotted, 20, 300),
    token("glptt-", Class::SECRET_GITLAB, Url, 20, 64),
    token("glcbt-", Class::SECRET_GITLAB, Url, 20, 80),
    token("glft-", Class::SECRET_GITLAB, Url, 20, 64),
    token("glsoat-", Class::SECRET_GITLAB, Url, 20, 64),
    token("glimt-", Class::SECRET_GITLAB, Url, 20, 64),
    token("glagent-", Class::SECRET_GITLAB, Url, 40, 80),
    token("gloas-", Class::SECRET_GITLAB, Url, 40, 80),
    token("glffct-", Class::SECRET_GITLAB, Url, 20, 64),
    token("GR1348941", Class::SECRET_GITLAB, Url, 20, 20),
    token("xoxb-", Class::SECRET_SLACK, Url, 20, 300),
    token("xoxp-", Class::SECRET_SLACK, Url, 20, 300),
    token("xoxa-", Class::SECRET_SLACK, Url, 20, 300),
    token("xoxr-", Class::SECRET_SLACK, Url, 20, 300),
    token("xoxs-", Class::SECRET_SLACK, Url, 20, 300),
    token("xoxo-", Class::SECRET_SLACK, Url, 20, 300),
    token("xoxe-", Class::SECRET_SLACK, Url, 20, 300),
    token("xoxe.xox", Class::SECRET_SLACK, Url, 20, 400),
    token("xoxc-", Class::SECRET_SLACK, Url, 20, 300),
    token("xoxd-", Class::SECRET_SLACK, Base64, 20, 400),
    token("xapp-", Class::SECRET_SLACK, Url, 30, 200),
    token("hooks.slack.com/services/T", Class::SECRET_SLACK, Base64, 30, 60),
    token("hooks.slack.com/workflows/T", Class::SECRET_SLACK, Base64, 30, 80),
    token("hooks.slack.com/triggers/T", Class::SECRET_SLACK, Base64, 30, 100),
    token("sk_live_", Class::SECRET_STRIPE, Alnum, 16, 250),
    token("rk_live_", Class::SECRET_STRIPE, Alnum, 16, 250),
    token("sk_test_", Class::SECRET_STRIPE, Alnum, 16, 250),
    token("rk_test_", Class::SECRET_STRIPE, Alnum, 16, 250),
    token("sk_prod_", Class::SECRET_STRIPE, Alnum, 10, 250),
    token("rk_prod_", Class::SECRET_STRIPE, Alnum, 10, 250),
    token("whsec_", Class::SECRET_STRIPE, Base64, 32, 80),
    token("AKIA", Class::SECRET_AWS_ACCESS_KEY, Upper, 16, 16),
    token("ASIA", Class::SECRET_AWS_ACCESS_KEY, Upper, 16, 16),
    token("ABIA", Class::SECRET_AWS_ACCESS_KEY, Upper, 16, 16),
    token("ACCA", Class::SECRET_AWS_ACCESS_KEY, Upper, 16, 16),
    token("ABSK", Class::SECRET_AWS_SECRET_KEY, Base64, 100, 270),
    token("bedrock-api-key-", Class::SECRET_AWS_SECRET_KEY, Base64, 40, 4000),
    token("AIza", Class::SECRET_GOOGLE_API, Url, 35, 35),
    token("GOCSPX-", Class::SECRET_GOOGLE_API, Url, 28, 28),
    token("ya29.", Class::SECRET_GOOGLE_API, Dotted, 30, 2048),
    token("sk-ant-", Class::SECRET_ANTHROPIC, Url, 32, 160),
    token("sk-proj-", Class::SECRET_OPENAI, Url, 40, 220),
    token("sk-svcacct-", Class::SECRET_OPENAI, Url, 40, 220),
    token("sk-admin-", Class::SECRET_OPENAI, Url, 40, 220),
    checked(token("sk-", Class::SECRET_OPENAI, Alnum, 48, 48), Check::Holds("T3BlbkFJ")),
    token("sk-or-v1-", Class::SECRET_GENERIC, Hex, 64, 64),
    token("sk-", Class::SECRET_GENERIC, Alnum, 32, 64),
    token("hf_", Class::SECRET_HUGGINGFACE, Alnum, 34, 34),
    token("api_org_", Class::SECRET_HUGGINGFACE, Alnum, 34, 34),
    checked(token("npm_", Class::SECRET_NPM, Alnum, 36, 36), Check::Crc62),
    token("pypi-AgEI", Class::SECRET_PYPI, Url, 50, 500),
    token("SG.", Class::SECRET_SENDGRID, Dotted, 66, 66),
    token("ATBB", Class::SECRET_BITBUCKET, Alnum, 24, 40),
    token("ATCTT3xFfG", Class::SECRET_BITBUCKET, Url, 60, 400),
    token("ATATT3xFfG", Class::SECRET_BITBUCKET, Base64, 60, 400),
    token("dop_v1_", Class::SECRET_DIGITALOCEAN, Hex, 64, 64),
    token("doo_v1_", Class::SECRET_DIGITALOCEAN, Hex, 64, 64),
    token("dor_v1_", Class::SECRET_DIGITALOCEAN, Hex, 64, 64),
    token("dapi", Class::SECRET_DATABRICKS, Hex, 32, 32),
    token("shpat_", Class::SECRET_SHOPIFY, Alnum, 32, 32),
    token("shpca_", Class::SECRET_SHOPIFY, Alnum, 32, 32),
    token("shppa_", Class::SECRET_SHOPIFY, Alnum, 32, 32),
    token("shpss_", Class::SECRET_SHOPIFY, Alnum, 32, 32),
    token("sq0atp-", Class::SECRET_SQUARE, Url, 22, 22),
    token("sq0csp-", Class::SECRET_SQUARE, Url, 43, 43),
    token("EAAA", Class::SECRET_SQUARE, Url, 60, 60),
    token("key-", Class::SECRET_MAILGUN, Hex, 32, 32),
    token("pubkey-", Class::SECRET_MAILGUN, Hex, 32, 32),
    token("slk_", Class::SECRET_SLUICE, Alnum, 20, 80),
    token("dp.pt.", Class::SECRET_GENERIC, Alnum, 43, 44),
    token("dp.st.", Class::SECRET_GENERIC, Dotted, 40, 60),
    token("lin_api_", Class::SECRET_GENERIC, Alnum, 40, 40),
    token("hvs.", Class::SECRET_GENERIC, Url, 90, 300),
    token("hvb.", Class::SECRET_GENERIC, Url, 138, 300),
    token("pscale_tkn_", Class::SECRET_GENERIC, Dotted, 32, 64),
    token("pscale_pw_", Class::SECRET_GENERIC, Dotted, 32, 64),
    token("pscale_oauth_", Class::SECRET_GENERIC, Dotted, 32, 64),
    token("sntrys_eyJ", Class::SECRET_GENERIC, Base64, 50, 400),
    token("sntryu_", Class::SECRET_GENERIC, Hex, 64, 64),
    token("glc_", Class::SECRET_GENERIC, Base64, 32, 400),
    token("ops_eyJ", Class::SECRET_GENERIC, Base64, 200, 1200),
    token("A3-", Class::SECRET_GENERIC, Url, 31, 33),
    token("EAAM", Class::SECRET_GENERIC, Alnum, 80, 250),
    token("EAAC", Class::SECRET_GENERIC, Alnum, 80, 250),
    token("fm1r_", Class::SECRET_GENERIC, Base64, 80, 1000),
    token("fm1a_", Class::SECRET_GENERIC, Base64, 80, 1000),
    token("glsa_", Class::SECRET_GENERIC, Url, 41, 41),
    token("NRAK-", Class::SECRET_GENERIC, Upper, 27, 27),
    token("NRJS-", Class::SECRET_GENERIC, Lower, 19, 19),
    token("NRII-", Class::SECRET_GENERIC, Url, 32, 32),
    token("PMAK-", Class::SECRET_GENERIC, Url, 59, 59),
    token("rubygems_", Class::SECRET_GENERIC, Hex, 48, 48),
    token("secret_", Class::SECRET_GENERIC, Alnum, 43, 43),
    token("ntn_", Class::SECRET_GENERIC, Alnum, 43, 50),
    token("dckr_pat_", Class::SECRET_GENERIC, Url, 27, 36),
    token("dckr_oat_", Class::SECRET_GENERIC, Url, 27, 36),
    token("figd_", Class::SECRET_GENERIC, Url, 40, 60),
    token("gsk_", Class::SECRET_GENERIC, Alnum, 52, 52),
    token("pplx-", Class::SECRET_GENERIC, Alnum, 48, 56),
    token("xai-", Class::SECRET_GENERIC, Alnum, 70, 90),
    token("r8_", Class::SECRET_GENERIC, Alnum, 37, 37),
    token("fw_", Class::SECRET_GENERIC, Alnum, 22, 24),
    token("tvly-", Class::SECRET_GENERIC, Url, 30, 60),
    token("nvapi-", Class::SECRET_GENERIC, Url, 60, 70),
    token("AGE-SECRET-KEY-1", Class::PRIVATE_KEY, Upper, 58, 58),
    token("EZAK", Class::SECRET_GENERIC, Alnum, 54, 54),
    token("EZTK", Class::SECRET_GENERIC, Alnum, 54, 54),
    token("duffel_test_", Class::SECRET_GENERIC, Url, 43, 43),
    token("duffel_live_", Class::SECRET_GENERIC, Url, 43, 43),
    token("FLWSECK_TEST-", Class::SECRET_GENERIC, Url, 12, 40),
    token("FLWSECK-", Class::SECRET_GENERIC, Url, 32, 40),
    token("fio-u-", Class::SECRET_GENERIC, Url, 60, 64),
    token("shippo_live_", Class::SECRET_GENERIC, Hex, 40, 40),
    token("shippo_test_", Class::SECRET_GENERIC, Hex, 40, 40),
    token("sk_sandbox_", Class::SECRET_GENERIC, Url, 16, 64),
    token("tk-us-", Class::SECRET_GENERIC, Url, 48, 48),
    token("CLOJARS_", Class::SECRET_GENERIC, Alnum, 60, 60),
    token("AKCp", Class::SECRET_GENERIC, Alnum, 69, 70),
    token("sgp_", Class::SECRET_GENERIC, Url, 40, 64),
    token("prefect_", Class::SECRET_GENERIC, Alnum, 36, 50),
    token("pul-", Class::SECRET_GENERIC, Hex, 40, 40),
    token("rdme_", Class::SECRET_GENERIC, Lower, 70, 70),
    token("sm_pat_", Class::SECRET_GENERIC, Alnum, 16, 16),
    token("sm_aat_", Class::SECRET_GENERIC, Alnum, 16, 16),
    token("sm_sat_", Class::SECRET_GENERIC, Alnum, 16, 16),
    token("ATTA", Class::SECRET_GENERIC, Hex, 72, 72),
    token("v1.0-", Class::SECRET_GENERIC, Url, 171, 171),
    token("xkeysib-", Class::SECRET_GENERIC, Url, 81, 81),
    token("CFPAT-", Class::SECRET_GENERIC, Url, 43, 43),
    token("LTAI", Class::SECRET_GENERIC, Alnum, 12, 26),
    token("AQVN", Class::SECRET_GENERIC, Url, 35, 38),
    token("t1.", Class::SECRET_GENERIC, Dotted, 80, 400),
    token("YCAJE", Class::SECRET_GENERIC, Url, 20, 20),
    token("AstraCS:", Class::SECRET_GENERIC, Dotted, 60, 120),
    token("sl.", Class::SECRET_GENERIC, Url, 130, 200),
    token("fo1_", Class::SECRET_GENERIC, Url, 43, 43),
    token("fm2_", Class::SECRET_GENERIC, Base64, 100, 1000),
    token("HRKU-", Class::SECRET_GENERIC, Url, 36, 60),
    token("sha256~", Class::SECRET_GENERIC, Url, 43, 43),
    token("p8e-", Class::SECRET_GENERIC, Alnum, 32, 32),
    token("SWMTKN-1-", Class::SECRET_GENERIC, Url, 70, 80),
    token("IGQV", Class::SECRET_GENERIC, Url, 100, 250),
    token("EAACEdEose0cBA", Class::SECRET_GENERIC, Alnum, 20, 250),
];

/// Words that name a password or a key in front of its value. Longer names hold these.
pub(crate) static NAMES: &[&str] = &[
    "passw",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "api key",
    "access_key",
    "accesskey",
    "access-key",
    "private_key",
    "privatekey",
    "auth_key",
    "authkey",
    "credential",
    "psk",
    "passcode",
    "contraseña",
    "contrasena",
    "mot de passe",
    "passwort",
    "kennwort",
    "senha",
    "wachtwoord",
    "accountkey",
    "encryption_key",
    "signing_key",
    "master_key",
    "pass:",
    "pass=",
    "pass =",
    "pass :=",
    "pass\"",
    "pass'",
    " pass is ",
    "identified by",
    "requirepass",
    "_pass",
    "-pass ",
    "authtoken",
    "_key",
    "密码",
    "пароль",
    "パスワード",
];

/// The beginning of something with a structure of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Structure {
    /// A PEM block.
    Pem,
    /// A `PuTTY` key file.
    Putty,
    /// A JSON web token.
    Jwt,
    /// The scheme of a URL, which may hold a password.
    Url,
    /// A bearer token in a header.
    Bearer,
    /// A user and a password in base64 in a header.
    Basic,
    /// A user and a password on a command line.
    UserOption,
    /// A password right after an option of a command line.
    PasswordOption,
    /// Azure's connection strings.
    AccountKey,
    /// The signature of an Azure shared access.
    AzureSignature,
    /// An Azure client secret, by its tilde.
    AzureClient,
    /// A Telegram bot token, by its middle.
    Telegram,
    /// A user and a password in front of a host in brackets, as `MySQL` drivers take them.
    Dsn,
    /// The file of a service account of Google's cloud.
    ServiceAccount,
    /// A file of an htpasswd kind.
    CryptHash,
}

/// The literals of structures, whether case does not matter, and what they begin.
pub(crate) static STRUCTURES: &[(&str, bool, Structure)] = &[
    ("-----BEGIN ", false, Structure::Pem),
    ("PuTTY-User-Key-File-", false, Structure::Putty),
    ("eyJ", false, Structure::Jwt),
    ("://", false, Structure::Url),
    ("bearer ", true, Structure::Bearer),
    ("basic ", true, Structure::Basic),
    (" -u ", false, Structure::UserOption),
    (" --user ", false, Structure::UserOption),
    (" -p", false, Structure::PasswordOption),
    ("AccountKey=", true, Structure::AccountKey),
    ("SharedAccessKey=", true, Structure::AccountKey),
    ("sig=", false, Structure::AzureSignature),
    ("8Q~", false, Structure::AzureClient),
    ("7Q~", false, Structure::AzureClient),
    (":AA", false, Structure::Telegram),
    ("private_key_id", false, Structure::ServiceAccount),
    ("@tcp(", false, Structure::Dsn),
    ("@unix(", false, Structure::Dsn),
    (":$2", false, Structure::CryptHash),
    (":$apr1$", false, Structure::CryptHash),
];

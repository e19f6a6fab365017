//! The classes of data that Sluice reports, as a tree with stable numbers.
//!
//! The number goes into audit records, so a number is never given to another class, and a class
//! is never renumbered: new classes go to the end of their block. Parents are classes too, so
//! that a policy can speak of `pii` and mean every identifier below it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A class of data by its stable number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Class(pub u16);

/// One row of the class tree.
#[derive(Clone, Copy, Debug)]
pub struct ClassRow {
    /// Stable number.
    pub class: Class,
    /// Name in configuration, policies, headers and logs.
    pub name: &'static str,
    /// The class that this one is a kind of; `None` at a root.
    pub parent: Option<Class>,
}

macro_rules! classes {
    ($($id:literal $konst:ident $name:literal $(< $parent:ident)?;)*) => {
        impl Class {
            $(#[doc = concat!("`", $name, "`")] pub const $konst: Class = Class($id);)*
        }
        /// Every class, by rising number.
        pub const CLASSES: &[ClassRow] = &[
            $(ClassRow { class: Class($id), name: $name, parent: classes!(@p $($parent)?) },)*
        ];
    };
    (@p) => { None };
    (@p $parent:ident) => { Some(Class::$parent) };
}

classes! {
    // Roots and groups: 1..=63.
    1 REGULATED "regulated";
    2 PII "pii" < REGULATED;
    3 NATIONAL_ID "national_id" < PII;
    4 CONTACT "contact" < PII;
    5 FINANCIAL "financial" < REGULATED;
    6 HEALTH "health" < REGULATED;
    7 SECRET "secret";
    8 HIDDEN_CONTENT "hidden_content";
    9 OPAQUE_CONTENT "opaque_content";
    10 TAX_ID "tax_id" < PII;
    11 ONLINE_ID "online_id" < PII;
    // Identifiers: 64..=1023.
    64 PAYMENT_CARD "payment_card" < FINANCIAL;
    65 IBAN "iban" < FINANCIAL;
    66 US_SSN "us_ssn" < NATIONAL_ID;
    67 EMAIL "email" < CONTACT;
    68 PHONE "phone" < CONTACT;
    // Secrets: 1024..=2047.
    1024 PRIVATE_KEY "private_key" < SECRET;
    1025 JWT "jwt" < SECRET;
    1026 PASSWORD "password" < SECRET;
    1027 SECRET_AWS_ACCESS_KEY "secret.aws_access_key" < SECRET;
    1028 SECRET_AWS_SECRET_KEY "secret.aws_secret_key" < SECRET;
    1029 SECRET_GITHUB "secret.github_token" < SECRET;
    1030 SECRET_GITLAB "secret.gitlab_token" < SECRET;
    1031 SECRET_SLACK "secret.slack_token" < SECRET;
    1032 SECRET_STRIPE "secret.stripe_key" < SECRET;
    1033 SECRET_GOOGLE_API "secret.google_api_key" < SECRET;
    1034 SECRET_GCP_SERVICE_ACCOUNT "secret.gcp_service_account" < SECRET;
    1035 SECRET_AZURE_STORAGE "secret.azure_storage_key" < SECRET;
    1036 SECRET_AZURE_CLIENT "secret.azure_client_secret" < SECRET;
    1037 SECRET_OPENAI "secret.openai_key" < SECRET;
    1038 SECRET_ANTHROPIC "secret.anthropic_key" < SECRET;
    1039 SECRET_HUGGINGFACE "secret.huggingface_token" < SECRET;
    1040 SECRET_NPM "secret.npm_token" < SECRET;
    1041 SECRET_PYPI "secret.pypi_token" < SECRET;
    1042 SECRET_SENDGRID "secret.sendgrid_key" < SECRET;
    1043 SECRET_TWILIO "secret.twilio_key" < SECRET;
    1044 SECRET_BITBUCKET "secret.bitbucket_token" < SECRET;
    1045 SECRET_DIGITALOCEAN "secret.digitalocean_token" < SECRET;
    1046 SECRET_DATABRICKS "secret.databricks_token" < SECRET;
    1047 SECRET_SHOPIFY "secret.shopify_token" < SECRET;
    1048 SECRET_SQUARE "secret.square_token" < SECRET;
    1049 SECRET_MAILGUN "secret.mailgun_key" < SECRET;
    1050 SECRET_TELEGRAM "secret.telegram_token" < SECRET;
    1051 SECRET_DISCORD "secret.discord_token" < SECRET;
    1052 SECRET_CONNECTION_STRING "secret.connection_string" < SECRET;
    1053 SECRET_GENERIC "secret.generic" < SECRET;
    1054 SECRET_SLUICE "secret.sluice_key" < SECRET;
    // Hidden content: 2048..=2111.
    2048 INVISIBLE_TEXT "invisible_text" < HIDDEN_CONTENT;
    2049 ENCODED_PAYLOAD "encoded_payload" < HIDDEN_CONTENT;
    // What cannot be inspected: 2112..=2175.
    2112 OPAQUE_IMAGE "opaque_image" < OPAQUE_CONTENT;
    2113 OPAQUE_AUDIO "opaque_audio" < OPAQUE_CONTENT;
    2114 OPAQUE_FILE "opaque_file" < OPAQUE_CONTENT;
    2115 OPAQUE_TOKENS "opaque_tokens" < OPAQUE_CONTENT;
    2116 OPAQUE_REMOTE "opaque_remote" < OPAQUE_CONTENT;
}

impl Class {
    /// The row of this class; `None` for a number that this build does not know.
    pub fn row(self) -> Option<&'static ClassRow> {
        CLASSES
            .binary_search_by_key(&self.0, |row| row.class.0)
            .ok()
            .and_then(|index| CLASSES.get(index))
    }

    /// The name, or `unknown` for a number that this build does not know.
    pub fn name(self) -> &'static str {
        self.row().map_or("unknown", |row| row.name)
    }

    /// The class called `name`.
    pub fn by_name(name: &str) -> Option<Class> {
        CLASSES.iter().find(|row| row.name == name).map(|row| row.class)
    }

    /// This class and its ancestors, the nearest first.
    pub fn lineage(self) -> impl Iterator<Item = Class> {
        std::iter::successors(Some(self), |class| class.row().and_then(|row| row.parent))
    }

    /// Whether this class is `ancestor` or a kind of it.
    pub fn is_a(self, ancestor: Class) -> bool {
        self.lineage().any(|class| class == ancestor)
    }
}

impl Serialize for Class {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Class {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Class::by_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format_args!("unknown class `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_names_are_unique() {
        assert!(CLASSES.windows(2).all(|pair| pair[0].class < pair[1].class));
        let mut names: Vec<_> = CLASSES.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CLASSES.len());
    }

    #[test]
    fn parents_are_known_and_the_tree_has_no_cycle() {
        for row in CLASSES {
            assert!(row.class.lineage().count() <= 8, "{}", row.name);
            assert!(row.parent.is_none_or(|parent| parent.row().is_some()), "{}", row.name);
        }
    }

    #[test]
    fn an_ssn_is_regulated() {
        assert!(Class::US_SSN.is_a(Class::REGULATED));
        assert!(!Class::US_SSN.is_a(Class::SECRET));
        assert_eq!(Class::by_name("us_ssn"), Some(Class::US_SSN));
        assert_eq!(Class(65_000).name(), "unknown");
    }
}

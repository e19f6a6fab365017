//! Numbering plans of personal and financial identifiers.
//!
//! Sources: ISO/IEC 7812 and the card networks' published ranges, the SWIFT IBAN registry, ITU
//! E.164 country codes with the lengths of the national plans, IANA's two-letter domains.

/// A range of issuer numbers and the lengths that its network gives out.
pub(crate) struct Issuer {
    /// First and last value of the leading digits.
    pub(crate) from: u32,
    /// Last value, inclusive.
    pub(crate) to: u32,
    /// How many leading digits the range speaks of.
    pub(crate) digits: u8,
    /// Card lengths, bit `n` for `n` digits.
    pub(crate) lengths: u32,
    /// Whether the range is so wide that a bare number in it proves nothing.
    pub(crate) weak: bool,
}

const fn lengths(from: u32, to: u32) -> u32 {
    (1 << (to + 1)) - (1 << from)
}

const fn issuer(from: u32, to: u32, digits: u8, lengths: u32) -> Issuer {
    Issuer { from, to, digits, lengths, weak: false }
}

const fn weak(from: u32, to: u32, digits: u8, lengths: u32) -> Issuer {
    Issuer { from, to, digits, lengths, weak: true }
}

/// Issuer ranges; the first that fits decides.
pub(crate) static ISSUERS: &[Issuer] = &[
    issuer(4, 4, 1, 1 << 13 | 1 << 16 | 1 << 19), // Visa
    issuer(51, 55, 2, 1 << 16),                   // Mastercard
    issuer(2221, 2720, 4, 1 << 16),               // Mastercard, 2017 range
    issuer(34, 34, 2, 1 << 15),                   // American Express
    issuer(37, 37, 2, 1 << 15),                   // American Express
    issuer(6011, 6011, 4, lengths(16, 19)),       // Discover
    issuer(644, 649, 3, lengths(16, 19)),         // Discover
    issuer(65, 65, 2, lengths(16, 19)),           // Discover, RuPay, Troy, Verve
    issuer(300, 309, 3, lengths(14, 19)),         // Diners Club; 306 to 308 of old
    issuer(36, 36, 2, lengths(14, 19)),           // Diners Club
    issuer(38, 39, 2, lengths(14, 19)),           // Diners Club
    issuer(3528, 3589, 4, lengths(16, 19)),       // JCB
    issuer(62, 62, 2, lengths(16, 19)),           // UnionPay
    issuer(81, 81, 2, lengths(16, 19)),           // UnionPay, RuPay
    issuer(2200, 2205, 4, lengths(16, 19)),       // Mir, Borica
    issuer(5018, 5018, 4, lengths(12, 19)),       // Maestro
    issuer(5019, 5019, 4, 1 << 16),               // Dankort
    issuer(5020, 5020, 4, lengths(12, 19)),       // Maestro
    issuer(5038, 5038, 4, lengths(12, 19)),       // Maestro
    issuer(506_099, 506_198, 6, 1 << 16 | 1 << 18 | 1 << 19), // Verve
    issuer(508, 508, 3, 1 << 16),                 // RuPay
    issuer(5893, 5893, 4, lengths(12, 19)),       // Maestro
    issuer(6062, 6062, 4, 1 << 16 | 1 << 19),     // Hipercard
    issuer(6304, 6304, 4, lengths(12, 19)),       // Maestro, Laser
    issuer(636, 639, 3, lengths(12, 19)),         // InterPayment, InstaPayment, Maestro
    issuer(6759, 6763, 4, lengths(12, 19)),       // Maestro
    issuer(60, 60, 2, 1 << 16),                   // RuPay
    issuer(82, 82, 2, 1 << 16),                   // RuPay
    issuer(8600, 8600, 4, 1 << 16),               // Uzcard
    issuer(9792, 9792, 4, 1 << 16),               // Troy
    issuer(9860, 9860, 4, 1 << 16),               // Humo
    weak(35, 35, 2, 1 << 16),                     // JCB, outside of its range of today
    weak(2131, 2131, 4, 1 << 15),                 // JCB, old
    weak(1800, 1800, 4, 1 << 15),                 // JCB, old
    weak(50, 50, 2, lengths(12, 19)),             // Maestro
    weak(56, 58, 2, lengths(12, 19)),             // Maestro
    weak(61, 61, 2, lengths(12, 19)),             // Maestro
    weak(63, 64, 2, lengths(12, 19)),             // Maestro
    weak(66, 69, 2, lengths(12, 19)),             // Maestro
];

/// IBAN length by country, sorted.
pub(crate) static IBANS: &[([u8; 2], u8)] = &[
    (*b"AD", 24),
    (*b"AE", 23),
    (*b"AL", 28),
    (*b"AT", 20),
    (*b"AZ", 28),
    (*b"BA", 20),
    (*b"BE", 16),
    (*b"BG", 22),
    (*b"BH", 22),
    (*b"BI", 27),
    (*b"BR", 29),
    (*b"BY", 28),
    (*b"CH", 21),
    (*b"CR", 22),
    (*b"CY", 28),
    (*b"CZ", 24),
    (*b"DE", 22),
    (*b"DJ", 27),
    (*b"DK", 18),
    (*b"DO", 28),
    (*b"EE", 20),
    (*b"EG", 29),
    (*b"ES", 24),
    (*b"FI", 18),
    (*b"FK", 18),
    (*b"FO", 18),
    (*b"FR", 27),
    (*b"GB", 22),
    (*b"GE", 22),
    (*b"GI", 23),
    (*b"GL", 18),
    (*b"GR", 27),
    (*b"GT", 28),
    (*b"HN", 28),
    (*b"HR", 21),
    (*b"HU", 28),
    (*b"IE", 22),
    (*b"IL", 23),
    (*b"IQ", 23),
    (*b"IS", 26),
    (*b"IT", 27),
    (*b"JO", 30),
    (*b"KW", 30),
    (*b"KZ", 20),
    (*b"LB", 28),
    (*b"LC", 32),
    (*b"LI", 21),
    (*b"LT", 20),
    (*b"LU", 20),
    (*b"LV", 21),
    (*b"LY", 25),
    (*b"MC", 27),
    (*b"MD", 24),
    (*b"ME", 22),
    (*b"MK", 19),
    (*b"MN", 20),
    (*b"MR", 27),
    (*b"MT", 31),
    (*b"MU", 30),
    (*b"NI", 28),
    (*b"NL", 18),
    (*b"NO", 15),
    (*b"OM", 23),
    (*b"PK", 24),
    (*b"PL", 28),
    (*b"PS", 29),
    (*b"PT", 25),
    (*b"QA", 29),
    (*b"RO", 24),
    (*b"RS", 22),
    (*b"RU", 33),
    (*b"SA", 24),
    (*b"SC", 31),
    (*b"SD", 18),
    (*b"SE", 24),
    (*b"SI", 19),
    (*b"SK", 24),
    (*b"SM", 27),
    (*b"SO", 23),
    (*b"ST", 25),
    (*b"SV", 28),
    (*b"TL", 23),
    (*b"TN", 24),
    (*b"TR", 26),
    (*b"UA", 29),
    (*b"VA", 22),
    (*b"VG", 24),
    (*b"XK", 20),
    (*b"YE", 30),
];

/// Country calling code, shortest and longest national number (without trunk prefix).
pub(crate) static CALLING_CODES: &[(u16, u8, u8)] = &[
    (1, 10, 10),
    (7, 10, 10),
    (20, 8, 10),
    (27, 9, 9),
    (30, 10, 10),
    (31, 9, 9),
    (32, 8, 9),
    (33, 9, 9),
    (34, 9, 9),
    (36, 8, 9),
    (39, 6, 11),
    (40, 9, 9),
    (41, 9, 9),
    (43, 4, 13),
    (44, 9, 10),
    (45, 8, 8),
    (46, 7, 10),
    (47, 8, 8),
    (48, 9, 9),
    (49, 5, 13),
    (51, 8, 9),
    (52, 10, 10),
    (53, 6, 8),
    (54, 10, 11),
    (55, 10, 11),
    (56, 9, 9),
    (57, 8, 10),
    (58, 10, 10),
    (60, 7, 10),
    (61, 9, 9),
    (62, 8, 12),
    (63, 8, 10),
    (64, 8, 10),
    (65, 8, 8),
    (66, 8, 9),
    (81, 9, 10),
    (82, 8, 11),
    (84, 9, 10),
    (86, 7, 11),
    (90, 10, 10),
    (91, 10, 10),
    (92, 9, 10),
    (93, 9, 9),
    (94, 9, 9),
    (95, 7, 10),
    (98, 10, 10),
    (211, 9, 9),
    (212, 9, 9),
    (213, 8, 9),
    (216, 8, 8),
    (218, 8, 9),
    (220, 7, 7),
    (221, 9, 9),
    (222, 8, 8),
    (223, 8, 8),
    (224, 8, 9),
    (225, 10, 10),
    (226, 8, 8),
    (227, 8, 8),
    (228, 8, 8),
    (229, 8, 10),
    (230, 7, 8),
    (231, 7, 9),
    (232, 8, 8),
    (233, 9, 9),
    (234, 8, 10),
    (235, 8, 8),
    (236, 8, 8),
    (237, 9, 9),
    (238, 7, 7),
    (239, 7, 7),
    (240, 9, 9),
    (241, 7, 8),
    (242, 9, 9),
    (243, 9, 9),
    (244, 9, 9),
    (245, 7, 9),
    (246, 7, 7),
    (248, 7, 7),
    (249, 9, 9),
    (250, 9, 9),
    (251, 9, 9),
    (252, 7, 9),
    (253, 8, 8),
    (254, 9, 9),
    (255, 9, 9),
    (256, 9, 9),
    (257, 8, 8),
    (258, 8, 9),
    (260, 9, 9),
    (261, 9, 9),
    (262, 9, 9),
    (263, 8, 9),
    (264, 8, 9),
    (265, 7, 9),
    (266, 8, 8),
    (267, 7, 8),
    (268, 8, 8),
    (269, 7, 7),
    (290, 4, 5),
    (291, 7, 7),
    (297, 7, 7),
    (298, 6, 6),
    (299, 6, 6),
    (350, 8, 8),
    (351, 9, 9),
    (352, 6, 11),
    (353, 7, 9),
    (354, 7, 9),
    (355, 8, 9),
    (356, 8, 8),
    (357, 8, 8),
    (358, 6, 11),
    (359, 8, 9),
    (370, 8, 8),
    (371, 8, 8),
    (372, 7, 8),
    (373, 8, 8),
    (374, 8, 8),
    (375, 9, 9),
    (376, 6, 9),
    (377, 8, 9),
    (378, 6, 10),
    (380, 9, 9),
    (381, 8, 10),
    (382, 8, 8),
    (383, 8, 9),
    (385, 8, 9),
    (386, 8, 8),
    (387, 8, 9),
    (389, 8, 8),
    (420, 9, 9),
    (421, 9, 9),
    (423, 7, 9),
    (500, 5, 5),
    (501, 7, 7),
    (502, 8, 8),
    (503, 8, 8),
    (504, 8, 8),
    (505, 8, 8),
    (506, 8, 8),
    (507, 7, 8),
    (508, 6, 6),
    (509, 8, 8),
    (590, 9, 9),
    (591, 8, 8),
    (592, 7, 7),
    (593, 8, 9),
    (594, 9, 9),
    (595, 9, 9),
    (596, 9, 9),
    (597, 6, 7),
    (598, 8, 8),
    (599, 7, 8),
    (670, 7, 8),
    (672, 6, 6),
    (673, 7, 7),
    (674, 7, 7),
    (675, 7, 8),
    (676, 5, 7),
    (677, 5, 7),
    (678, 5, 7),
    (679, 7, 7),
    (680, 7, 7),
    (681, 6, 6),
    (682, 5, 5),
    (683, 4, 7),
    (685, 5, 7),
    (686, 5, 8),
    (687, 6, 6),
    (688, 5, 6),
    (689, 6, 8),
    (690, 4, 5),
    (691, 7, 7),
    (692, 7, 7),
    (800, 8, 8),
    (808, 8, 8),
    (850, 8, 10),
    (852, 8, 8),
    (853, 8, 8),
    (855, 8, 9),
    (856, 8, 10),
    (870, 9, 9),
    (880, 8, 10),
    (881, 8, 9),
    (882, 7, 12),
    (883, 7, 12),
    (886, 8, 9),
    (960, 7, 7),
    (961, 7, 8),
    (962, 8, 9),
    (963, 8, 9),
    (964, 8, 10),
    (965, 7, 8),
    (966, 8, 9),
    (967, 7, 9),
    (968, 7, 8),
    (970, 8, 9),
    (971, 8, 9),
    (972, 8, 9),
    (973, 8, 8),
    (974, 7, 8),
    (975, 7, 8),
    (976, 8, 8),
    (977, 8, 10),
    (992, 9, 9),
    (993, 8, 8),
    (994, 9, 9),
    (995, 9, 9),
    (996, 9, 9),
    (998, 9, 9),
];

/// Country domains, sorted.
pub(crate) static COUNTRY_DOMAINS: &[[u8; 2]] = &[
    *b"ac", *b"ad", *b"ae", *b"af", *b"ag", *b"ai", *b"al", *b"am", *b"ao", *b"aq", *b"ar", *b"as",
    *b"at", *b"au", *b"aw", *b"ax", *b"az", *b"ba", *b"bb", *b"bd", *b"be", *b"bf", *b"bg", *b"bh",
    *b"bi", *b"bj", *b"bm", *b"bn", *b"bo", *b"br", *b"bs", *b"bt", *b"bw", *b"by", *b"bz", *b"ca",
    *b"cc", *b"cd", *b"cf", *b"cg", *b"ch", *b"ci", *b"ck", *b"cl", *b"cm", *b"cn", *b"co", *b"cr",
    *b"cu", *b"cv", *b"cw", *b"cx", *b"cy", *b"cz", *b"de", *b"dj", *b"dk", *b"dm", *b"do", *b"dz",
    *b"ec", *b"ee", *b"eg", *b"er", *b"es", *b"et", *b"eu", *b"fi", *b"fj", *b"fk", *b"fm", *b"fo",
    *b"fr", *b"ga", *b"gd", *b"ge", *b"gf", *b"gg", *b"gh", *b"gi", *b"gl", *b"gm", *b"gn", *b"gp",
    *b"gq", *b"gr", *b"gs", *b"gt", *b"gu", *b"gw", *b"gy", *b"hk", *b"hm", *b"hn", *b"hr", *b"ht",
    *b"hu", *b"id", *b"ie", *b"il", *b"im", *b"in", *b"io", *b"iq", *b"ir", *b"is", *b"it", *b"je",
    *b"jm", *b"jo", *b"jp", *b"ke", *b"kg", *b"kh", *b"ki", *b"km", *b"kn", *b"kp", *b"kr", *b"kw",
    *b"ky", *b"kz", *b"la", *b"lb", *b"lc", *b"li", *b"lk", *b"lr", *b"ls", *b"lt", *b"lu", *b"lv",
    *b"ly", *b"ma", *b"mc", *b"md", *b"me", *b"mg", *b"mh", *b"mk", *b"ml", *b"mm", *b"mn", *b"mo",
    *b"mp", *b"mq", *b"mr", *b"ms", *b"mt", *b"mu", *b"mv", *b"mw", *b"mx", *b"my", *b"mz", *b"na",
    *b"nc", *b"ne", *b"nf", *b"ng", *b"ni", *b"nl", *b"no", *b"np", *b"nr", *b"nu", *b"nz", *b"om",
    *b"pa", *b"pe", *b"pf", *b"pg", *b"ph", *b"pk", *b"pl", *b"pm", *b"pn", *b"pr", *b"ps", *b"pt",
    *b"pw", *b"py", *b"qa", *b"re", *b"ro", *b"rs", *b"ru", *b"rw", *b"sa", *b"sb", *b"sc", *b"sd",
    *b"se", *b"sg", *b"sh", *b"si", *b"sk", *b"sl", *b"sm", *b"sn", *b"so", *b"sr", *b"ss", *b"st",
    *b"su", *b"sv", *b"sx", *b"sy", *b"sz", *b"tc", *b"td", *b"tf", *b"tg", *b"th", *b"tj", *b"tk",
    *b"tl", *b"tm", *b"tn", *b"to", *b"tr", *b"tt", *b"tv", *b"tw", *b"tz", *b"ua", *b"ug", *b"uk",
    *b"us", *b"uy", *b"uz", *b"va", *b"vc", *b"ve", *b"vg", *b"vi", *b"vn", *b"vu", *b"wf", *b"ws",
    *b"ye", *b"yt", *b"za", *b"zm", *b"zw",
];

/// Endings of file names, and words of code, that stand where a top-level domain would.
pub(crate) static NOT_DOMAINS: &[&str] = &[
    "bin", "bmp", "conf", "cpp", "css", "csv", "dll", "doc", "docx", "exe", "gif", "html", "ico",
    "ini", "jar", "java", "jpeg", "jpg", "json", "jsx", "latest", "local", "log", "map", "mdx",
    "mjs", "mkv", "mount", "path", "pdf", "php", "png", "pyc", "rar", "scss", "service", "socket",
    "sql", "svelte", "svg", "tar", "target", "timer", "toml", "tsx", "ttf", "txt", "vue", "wasm",
    "wav", "webp", "whl", "woff", "xls", "xlsx", "xml", "yaml", "yml",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        assert!(IBANS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(CALLING_CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(COUNTRY_DOMAINS.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(NOT_DOMAINS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn no_calling_code_begins_with_another() {
        for (code, ..) in CALLING_CODES {
            let short = [code / 10, code / 100];
            assert!(
                !CALLING_CODES.iter().any(|(other, ..)| *other > 0 && short.contains(other)),
                "{code}"
            );
        }
    }
}

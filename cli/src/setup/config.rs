//! Puts settings into the text of a configuration and leaves everything else as it was, comments above all.
//!
//! It goes by lines and is no parser: podyd judges what came of it before anything is written.

/// A setting with the value that it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its section, such as `backend.postgres`.
    pub section: &'static str,
    /// Its name in there.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
}

/// What a setting is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, taken as it is: what looks like a reference to a variable is none.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

impl Setting {
    /// The line that says so.
    pub fn line(&self) -> String {
        match &self.value {
            Value::Flag(flag) => format!("{} = {flag}", self.key),
            Value::Text(text) => format!("{} = {}", self.key, quoted(text)),
        }
    }
}

/// A text as TOML writes it, which JSON does alike but for one character.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace("${", "$${")).to_string().replace('\u{7f}', "\\u007F")
}

/// The same configuration with these settings.
pub fn with(text: &str, settings: &[Setting]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for setting in settings {
        put(&mut lines, setting);
    }
    lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
}

fn put(lines: &mut Vec<String>, setting: &Setting) {
    let header = section(lines, setting.section);
    let end = end_of_section(lines, header);
    if let Some(former) = (header + 1..end).find(|&at| sets(&lines[at], setting.key)) {
        lines[former].insert(0, '#');
        return lines.insert(former + 1, setting.line());
    }
    // Below the comment that shows it, where there is one; else below what was put there just before.
    let shown = (header + 1..end).find(|&at| shows(&lines[at], setting.key));
    let last = (header..end).take_while(|&at| at == header || is_setting(&lines[at])).last();
    lines.insert(shown.or(last).unwrap_or(header) + 1, setting.line());
}

/// Where a section begins: where it does already, where the shipped file shows it as a comment, or at the end.
fn section(lines: &mut Vec<String>, name: &str) -> usize {
    let header = format!("[{name}]");
    if let Some(at) = lines.iter().position(|line| header_of(line) == Some(&header)) {
        return at;
    }
    if let Some(at) = lines.iter().position(|line| line.trim() == format!("#{header}")) {
        lines[at] = header;
        return at;
    }
    if lines.last().is_some_and(|line| !line.trim().is_empty()) {
        lines.push(String::new());
    }
    lines.push(header);
    lines.len() - 1
}

fn end_of_section(lines: &[String], header: usize) -> usize {
    let is_next = |line: &String| header_of(line).is_some() || line.starts_with("#[");
    lines[header + 1..].iter().position(is_next).map_or(lines.len(), |after| header + 1 + after)
}

/// `[section]`, without what may stand behind it.
fn header_of(line: &str) -> Option<&str> {
    let line = line.trim();
    let end = line.find(']')?;
    line.starts_with('[').then(|| &line[..=end])
}

fn is_setting(line: &str) -> bool {
    let line = line.trim_start();
    !line.starts_with(['#', '[']) && line.contains('=')
}

fn sets(line: &str, key: &str) -> bool {
    line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
}

fn shows(line: &str, key: &str) -> bool {
    let comment = line.trim_start().strip_prefix('#').map(str::trim_start);
    comment.is_some_and(|comment| sets(comment.strip_prefix("Example: ").unwrap_or(comment), key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::draft::KNOWN;
    use super::*;

    const SHIPPED: &str = include_str!("../../../config.toml");

    fn text(section: &'static str, key: &'static str, value: &str) -> Setting {
        Setting { section, key, value: Value::Text(value.into()) }
    }

    #[test]
    fn a_setting_stands_below_the_comment_that_shows_it() {
        let new = with(SHIPPED, &[text("backend.postgres", "urlFile", "/etc/pody/postgres-url")]);
        let lines: Vec<&str> = new.lines().collect();
        let at = lines.iter().position(|line| *line == "urlFile = \"/etc/pody/postgres-url\"").unwrap();
        assert_eq!(lines[at - 1], "# Example: urlFile = \"/etc/pody/postgres-url\"");
        let header = lines[..at].iter().rposition(|line| line.starts_with('[')).unwrap();
        assert_eq!(lines[header], "[backend.postgres]", "the header is no comment any more");
        assert_eq!(new.lines().count(), SHIPPED.lines().count() + 1);
    }

    #[test]
    fn what_was_set_before_stays_to_be_read() {
        let enabled =
            Setting { section: "remote_user_profile.provider", key: "enabled", value: Value::Flag(true) };
        let old = "[remote_user_profile.provider] # here\nenabled = false # not yet\ntimeout = \"3s\"\n";
        let new = "[remote_user_profile.provider] # here\n#enabled = false # not yet\nenabled = true\ntimeout = \"3s\"\n";
        assert_eq!(with(old, &[enabled]), new);
    }

    #[test]
    fn a_section_that_is_nowhere_comes_last_and_keeps_the_order() {
        let settings = [text("oidc", "issuer", "https://a"), text("oidc", "client_id", "pody")];
        let section = "[oidc]\nissuer = \"https://a\"\nclient_id = \"pody\"\n";
        assert_eq!(with("", &settings), section);
        assert_eq!(with("[ids]\nmin = 2000", &settings), format!("[ids]\nmin = 2000\n\n{section}"));
    }

    /// Comments as they are: but for headers, which the shipped file shows as comments.
    fn comments(text: &str) -> Vec<&str> {
        text.lines().filter(|line| line.starts_with('#') && !line.starts_with("#[")).collect()
    }

    fn sections() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            Just("# a comment".to_owned()),
            Just(String::new()),
            Just("# Example: issuer = \"https://b\"".to_owned()),
            Just("#client_id = \"x\"".to_owned()),
        ];
        let body = proptest::collection::vec(line, 0..6);
        let sections = ["ids", "oidc", "oidc.users", "backend.postgres", "remote_user_profile.provider"];
        let is_there = proptest::collection::vec((any::<bool>(), any::<bool>(), body), sections.len());
        is_there.prop_map(move |parts| {
            let mut text = String::new();
            for (name, (is_there, is_comment, body)) in sections.iter().zip(parts) {
                if is_there {
                    let sign = if is_comment { "#" } else { "" };
                    text += &format!("{sign}[{name}]\n{}\n", body.join("\n"));
                    text += if is_comment { "" } else { "own = 1\n" };
                }
            }
            text
        })
    }

    proptest! {
        /// Whatever the values, and wherever there is room for them.
        #[test]
        fn the_text_says_what_was_meant_and_keeps_its_comments(
            own in sections(),
            shipped in any::<bool>(),
            values in proptest::collection::vec(proptest::option::of(".{0,20}"), KNOWN.len()),
        ) {
            let old = if shipped { SHIPPED.to_owned() } else { own };
            let settings: Vec<Setting> = KNOWN.iter().zip(&values).filter_map(|((section, key), value)| {
                Some(text(section, key, value.as_deref()?))
            }).collect();
            let new = with(&old, &settings);
            let mut read: toml::Table = new.parse().unwrap();
            for Setting { section, key, value } in &settings {
                let table = section.split('.').fold(&mut read, |table, name| {
                    table.get_mut(name).and_then(toml::Value::as_table_mut).unwrap()
                });
                let Value::Text(meant) = value else { unreachable!() };
                let found = table.remove(*key).unwrap();
                prop_assert_eq!(&found.as_str().unwrap().replace("$${", "${"), meant);
            }
            let kept = |text: &str| text.lines().filter(|line| *line == "own = 1").count();
            prop_assert_eq!(kept(&new), kept(&old));
            prop_assert_eq!(comments(&new), comments(&old));
        }
    }
}

//! `${VAR}` and `${VAR:-default}` in the text of a setting. It happens after TOML has been parsed, so
//! that whatever a variable holds, it stays inside that one text.

use super::environment::{Environment, NotText};

/// Replaces every reference; `$${` stands for a plain `${`. The error is a sentence about the setting.
pub(super) fn interpolate(text: &str, environment: &Environment) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            result.push_str(before);
            result.push_str("${");
            rest = after;
            continue;
        }
        let (reference, after) =
            after.split_once('}').ok_or("has a '${' without its '}'; write '$${' for a plain '${'")?;
        result.push_str(before);
        result.push_str(resolve(reference, environment)?);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

/// As in a shell, the default also stands in for a variable that is empty.
fn resolve<'a>(reference: &'a str, environment: &'a Environment) -> Result<&'a str, String> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_variable_name(name) {
        return Err("has a '${…}' that is neither ${VAR} nor ${VAR:-default}".into());
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err(format!("has another '${{' in the default of ${{{name}}}; a default is plain text"));
    }
    match (environment.text(name), default) {
        (Err(NotText), _) => Err(format!("wants the environment variable {name}, which is not UTF-8")),
        (Ok(Some("") | None), Some(default)) => Ok(default),
        (Ok(Some(value)), _) => Ok(value),
        (Ok(None), None) => Err(format!(
            "wants the environment variable {name}, which is not set; set it, or write ${{{name}:-default}}"
        )),
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_ada(text: &str) -> Result<String, String> {
        let environment: Environment =
            [("ADA", "lovelace"), ("EMPTY", ""), ("SLY", "${ADA}")].into_iter().collect();
        interpolate(text, &environment)
    }

    #[test]
    fn references_are_replaced_once_and_everything_else_stays() {
        let table = [
            ("", ""),
            ("plain $ADA $ {ADA}", "plain $ADA $ {ADA}"),
            ("/${ADA}/x", "/lovelace/x"),
            ("${ADA}${ADA}", "lovelacelovelace"),
            ("${NONE:-a:-b}", "a:-b"),
            ("${NONE:-}", ""),
            ("${ADA:-b}", "lovelace"),
            ("${EMPTY}", ""),
            ("${EMPTY:-b}", "b"),
            ("$${ADA}", "${ADA}"),
            ("$$${ADA}", "$${ADA}"),
            ("${SLY}", "${ADA}"),
            ("ä${ADA}ä", "älovelaceä"),
        ];
        for (text, expected) in table {
            assert_eq!(with_ada(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_said_with_the_variables_name() {
        for (text, said) in [
            ("${NONE}", "NONE, which is not set"),
            ("${ADA", "without its '}'"),
            ("${}", "neither"),
            ("${1A}", "neither"),
            ("${A B}", "neither"),
            ("${NONE:-${ADA}}", "plain text"),
        ] {
            assert!(with_ada(text).unwrap_err().contains(said), "{text}");
        }
    }
}

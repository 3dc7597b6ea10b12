//! SQL is written once, in the words that all databases share, and rendered for each where they differ:
//!
//! * `$1` is the first argument;
//! * `{texts $1}` and `{ids $1}`, after `IN`, are the elements of an argument that is a JSON array;
//! * `{rows $1 uuid text, uid integer}`, after `FROM`, are the objects of such an array as the rows of a table `r`; what an
//!   object lacks is NULL;
//! * `{memberships u.uuid}` is a JSON array of the `[gid, "name"]` of a user's groups.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value as Json;

use super::value::Value;

/// A database's way of saying things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite, and libSQL, which is made of it.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
}

/// A statement for one database, and its arguments as that database counts them.
pub struct Rendered<'a> {
    pub sql: String,
    pub arguments: Vec<Cow<'a, Value>>,
    /// Whether the server may keep it prepared under a name. PostgreSQL may not: a pooler lends its connection to others, who
    /// use the same names. Nor may a text that depends on how much there is in a long list, since it is hardly met again.
    pub is_common: bool,
}

/// The longest list that is met often. What is not kept prepared is dear: MySQL does not answer when it is forgotten, and
/// what is sent next waits for TCP to acknowledge that, which takes 40 ms since there is no answer to go with.
const SHORT_LIST: usize = 16;

impl Dialect {
    /// Renders a statement.
    pub fn render<'a>(self, statement: &str, values: &'a [Value]) -> Rendered<'a> {
        let mut writer = Writer {
            dialect: self,
            sql: String::new(),
            values,
            given: Vec::new(),
            used: 0,
            is_common: self != Self::Postgres,
        };
        writer.statement(statement);
        let arguments = match self {
            Self::MySql => writer.given,
            // libSQL refuses what is not used.
            _ => values.iter().take(writer.used).map(Cow::Borrowed).collect(),
        };
        Rendered { sql: writer.sql, arguments, is_common: writer.is_common }
    }
}

struct Writer<'a> {
    dialect: Dialect,
    sql: String,
    values: &'a [Value],
    /// The arguments of the placeholders so far. MySQL's have no numbers: what is used twice is given twice.
    given: Vec<Cow<'a, Value>>,
    /// The highest number of a placeholder so far.
    used: usize,
    is_common: bool,
}

impl<'a> Writer<'a> {
    fn statement(&mut self, mut rest: &str) {
        while let Some(at) = rest.find(['{', '$']) {
            self.plain(&rest[..at]);
            rest = &rest[at..];
            let end = match rest.strip_prefix('{') {
                Some(inside) => inside.find('}').map_or(rest.len(), |end| end + 2),
                None => 1 + rest[1..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - 1),
            };
            self.special(&rest[..end]);
            rest = &rest[end..];
        }
        self.plain(rest);
    }

    /// One table has a name that is a reserved word somewhere: MySQL 8 counts window frames in GROUPS.
    fn plain(&mut self, text: &str) {
        match self.dialect {
            Dialect::MySql => self.sql.push_str(&text.replace("groups", "`groups`")),
            _ => self.sql.push_str(text),
        }
    }

    fn special(&mut self, special: &str) {
        let inside = special.trim_start_matches('{').trim_end_matches('}');
        match inside.split_once(' ') {
            Some(("texts", argument)) => self.list(argument, "text"),
            Some(("ids", argument)) => self.list(argument, "bigint"),
            Some(("rows", rest)) => {
                let (argument, columns) = rest.split_once(' ').unwrap_or((rest, ""));
                self.rows(argument, columns);
            }
            Some(("memberships", user)) => self.memberships(user),
            _ => self.argument(inside),
        }
    }

    fn argument(&mut self, argument: &str) {
        let number = number_of(argument);
        self.used = self.used.max(number);
        match self.dialect {
            Dialect::Sqlite => self.write(format_args!("?{number}")),
            Dialect::Postgres => self.write(format_args!("${number}")),
            Dialect::MySql => {
                self.sql.push('?');
                self.given.extend(self.values.get(number - 1).map(Cow::Borrowed));
            }
        }
    }

    fn list(&mut self, argument: &str, postgres: &str) {
        match self.dialect {
            Dialect::Sqlite => self.around("(SELECT value FROM json_each(", argument, "))"),
            // What stands after IN would be taken for a hundred rows, for which a table of some thousands is read from one end
            // to the other; of an array each element is looked up.
            Dialect::Postgres => {
                let before = self.sql.trim_end().trim_end_matches("IN").len();
                self.sql.truncate(before);
                let before = format!("= ANY (ARRAY(SELECT value::{postgres} FROM jsonb_array_elements_text(");
                self.around(&before, argument, "::jsonb)))");
            }
            Dialect::MySql => self.elements(argument),
        }
    }

    /// MySQL and MariaDB read JSON_TABLE anew for each row that they update or delete, so that the elements are given one by
    /// one; a list without any matches nothing.
    fn elements(&mut self, argument: &str) {
        let mut elements: Vec<Json> = match self.values.get(number_of(argument) - 1) {
            Some(Value::Text(Some(json))) => serde_json::from_str(json).unwrap_or_default(),
            _ => Vec::new(),
        };
        self.is_common &= elements.len() <= SHORT_LIST;
        // Said twice, it is still the same list, and there are fewer different texts.
        if let Some(last) = elements.last().cloned() {
            elements.resize(elements.len().next_power_of_two(), last);
        }
        let placeholders = vec!["?"; elements.len()].join(", ");
        self.sql.push('(');
        self.sql.push_str(if elements.is_empty() { "NULL" } else { &placeholders });
        self.sql.push(')');
        self.given.extend(elements.iter().map(|element| match element {
            Json::String(text) => Cow::Owned(text.as_str().into()),
            number => Cow::Owned(number.as_i64().into()),
        }));
    }

    fn rows(&mut self, argument: &str, columns: &str) {
        let columns = columns.split(", ").filter_map(|column| column.split_once(' '));
        let joined = |column: &dyn Fn(&str, &str) -> String| {
            columns.clone().map(|(name, kind)| column(name, kind)).collect::<Vec<_>>().join(", ")
        };
        match self.dialect {
            Dialect::Sqlite => {
                let before = joined(&|name, _| format!("value ->> '{name}' AS {name}"));
                self.around(&format!("(SELECT {before} FROM json_each("), argument, ")) AS r");
            }
            Dialect::Postgres => {
                let after = joined(&|name, kind| {
                    format!("{name} {}", if kind == "text" { "text" } else { "bigint" })
                });
                self.around("jsonb_to_recordset(", argument, &format!("::jsonb) AS r({after})"));
            }
            Dialect::MySql => {
                let after = joined(&|name, kind| {
                    let kind = if kind == "text" { "VARCHAR(2048)" } else { "BIGINT" };
                    format!("{name} {kind} PATH '$.{name}'")
                });
                self.around("JSON_TABLE(", argument, &format!(", '$[*]' COLUMNS ({after})) AS r"));
            }
        }
    }

    fn memberships(&mut self, user: &str) {
        let (aggregate, end) = match self.dialect {
            Dialect::Sqlite => ("json_group_array(json_array(g.gid, g.name))", ""),
            Dialect::Postgres => ("json_agg(json_build_array(g.gid, g.name))", "::text"),
            Dialect::MySql => ("CAST(JSON_ARRAYAGG(JSON_ARRAY(g.gid, g.name)) AS CHAR)", ""),
        };
        self.sql.push_str("(SELECT ");
        self.sql.push_str(aggregate);
        self.sql.push_str(end);
        self.plain(" FROM members m JOIN groups g ON g.uuid = m.group_uuid WHERE m.user_uuid = ");
        self.sql.push_str(user);
        self.sql.push(')');
    }

    fn around(&mut self, before: &str, argument: &str, after: &str) {
        self.sql.push_str(before);
        self.argument(argument);
        self.sql.push_str(after);
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        self.sql.write_fmt(text).expect("a String takes everything");
    }
}

/// The number of `$1`.
fn number_of(argument: &str) -> usize {
    argument.trim_start_matches('$').parse().unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::value::values;

    fn render(dialect: Dialect, statement: &str, values: &[Value]) -> (String, usize) {
        let rendered = dialect.render(statement, values);
        (rendered.sql, rendered.arguments.len())
    }

    #[test]
    fn an_argument_used_twice_is_given_twice_where_placeholders_have_no_number() {
        let statement = "SELECT $2 FROM groups WHERE name = $1 OR gecos = $1";
        let values = values!["ada", 7_i64];
        assert_eq!(
            render(Dialect::Sqlite, statement, values).0,
            "SELECT ?2 FROM groups WHERE name = ?1 OR gecos = ?1"
        );
        assert_eq!(render(Dialect::Postgres, statement, values), (statement.into(), 2));
        let (sql, arguments) = render(Dialect::MySql, statement, values);
        assert_eq!((sql.as_str(), arguments), ("SELECT ? FROM `groups` WHERE name = ? OR gecos = ?", 3));
    }

    #[test]
    fn an_argument_that_is_not_used_is_not_given() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
            assert_eq!(render(dialect, "SELECT $1", values!["ada", 7_i64]).1, 1);
            assert_eq!(render(dialect, "SELECT 1", values!["ada"]).1, 0);
        }
    }

    #[test]
    fn short_lists_make_few_texts_where_elements_are_given_one_by_one() {
        let rendered = |json: String| {
            let values = values![json];
            let Rendered { sql, is_common, arguments } =
                Dialect::MySql.render("SELECT 1 WHERE name IN {texts $1}", values);
            (sql, is_common, arguments.len())
        };
        let list = |length: usize| Json::from(vec!["ada"; length]).to_string();
        let texts: std::collections::BTreeSet<_> =
            (0..=SHORT_LIST).map(|length| rendered(list(length))).collect();
        assert_eq!(texts.len(), 6, "{texts:?}");
        assert!(texts.iter().all(|(_, is_common, _)| *is_common));
        assert_eq!(rendered(list(3)), ("SELECT 1 WHERE name IN (?, ?, ?, ?)".into(), true, 4));
        assert!(!rendered(list(SHORT_LIST + 1)).1);
    }

    #[test]
    fn lists_and_rows_come_out_of_json() {
        let statement = "SELECT r.uuid FROM {rows $2 uuid text, uid integer} WHERE r.uid IN {ids $1}";
        let values = values!["[1]", "[]"];
        assert_eq!(
            render(Dialect::Postgres, statement, values).0,
            "SELECT r.uuid FROM jsonb_to_recordset($2::jsonb) AS r(uuid text, uid bigint) WHERE r.uid \
             = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb)))"
        );
        assert_eq!(
            render(Dialect::Sqlite, statement, values).0,
            "SELECT r.uuid FROM (SELECT value ->> 'uuid' AS uuid, value ->> 'uid' AS uid FROM json_each(?2)) AS r \
             WHERE r.uid IN (SELECT value FROM json_each(?1))"
        );
        assert_eq!(
            render(Dialect::MySql, statement, values).0,
            "SELECT r.uuid FROM JSON_TABLE(?, '$[*]' COLUMNS (uuid VARCHAR(2048) PATH '$.uuid', uid BIGINT PATH '$.uid')) \
             AS r WHERE r.uid IN (?)"
        );
        let none = values!["[]", "[]"];
        assert!(render(Dialect::MySql, statement, none).0.ends_with("IN (NULL)"));
    }
}

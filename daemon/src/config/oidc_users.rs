//! `[oidc.users]`: what the claims of somebody make of an account. The grammar of the settings alone; what follows from
//! them for a person is decided elsewhere.

use std::fmt;
use std::str::FromStr;

use identity::{Name, is_privileged_group};

use super::ClaimName;

/// `[oidc.users]`.
#[derive(Clone, Debug, PartialEq)]
pub struct OidcUsers {
    /// Whether whoever has no account gets one at the first login.
    pub create: bool,
    /// Whether that is everybody whom the provider knows.
    pub allow_everybody: bool,
    /// Or whoever is in one of these groups, by the provider's names.
    pub allow_groups: Vec<ClaimedGroup>,
    /// Or whoever has an address there that the provider has verified.
    pub allow_domains: Vec<Domain>,
    /// Or whoever has one of these claims.
    pub allow_claims: Vec<ClaimIs>,
    /// The claim that is the login name.
    pub name_claim: ClaimName,
    /// What every such claim ends with, and no login name does; may be empty.
    pub name_suffix: NameSuffix,
    /// The claim that is the login shell; empty: it is no claim.
    pub shell_claim: ClaimName,
    /// The groups that everybody is in who came with claims.
    pub groups: Vec<GroupOfUsers>,
    /// Which groups of the provider are groups here.
    pub group_map: Vec<GroupRule>,
}

/// A group by the provider's name for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedGroup(String);

/// The part of an address behind the `@`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(String);

/// A claim and the text that it is, or that is one of its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimIs {
    /// The claim.
    pub claim: ClaimName,
    /// The text.
    pub value: String,
}

/// The end of a claim that is cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSuffix(String);

/// A group here, whose name gives no rights on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupOfUsers(pub Name);

/// What a group of the provider is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRule {
    /// Every group is the one of the same name.
    All,
    /// This one is the one of the same name.
    Same(GroupOfUsers),
    /// This one is that.
    As(ClaimedGroup, GroupOfUsers),
}

impl OidcUsers {
    /// Whether nobody is created whatever the claims are.
    pub fn allows_nobody(&self) -> bool {
        !self.allow_everybody
            && self.allow_groups.is_empty()
            && self.allow_domains.is_empty()
            && self.allow_claims.is_empty()
    }
}

impl Default for OidcUsers {
    fn default() -> Self {
        Self {
            create: false,
            allow_everybody: false,
            allow_groups: Vec::new(),
            allow_domains: Vec::new(),
            allow_claims: Vec::new(),
            name_claim: "preferred_username".parse().expect("the default is valid"),
            name_suffix: NameSuffix::default(),
            shell_claim: ClaimName::default(),
            groups: Vec::new(),
            group_map: Vec::new(),
        }
    }
}

impl ClaimedGroup {
    /// It, to the letter.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Domain {
    /// Whether an address of this domain is meant.
    pub fn is(&self, domain: &str) -> bool {
        self.0.eq_ignore_ascii_case(domain)
    }
}

impl NameSuffix {
    /// It, to the letter.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClaimedGroup {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = !text.is_empty() && !text.contains(char::is_control);
        is_valid.then(|| Self(text.to_owned())).ok_or("must be the name of a group at the provider")
    }
}

impl FromStr for Domain {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        text.split('.')
            .all(is_label)
            .then(|| Self(text.to_ascii_lowercase()))
            .ok_or("must be a domain such as \"example.com\", which does not stand for those below it")
    }
}

impl FromStr for ClaimIs {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (claim, value) =
            text.split_once('=').ok_or("must be CLAIM=TEXT, such as \"department=physics\"")?;
        if value.is_empty() {
            return Err("must have a text behind the =, such as \"department=physics\"");
        }
        Ok(Self { claim: claim.parse()?, value: value.to_owned() })
    }
}

impl FromStr for NameSuffix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = text.bytes().all(|byte| byte.is_ascii_graphic());
        is_valid.then(|| Self(text.to_owned())).ok_or("must be the end of a claim, such as \"@example.com\"")
    }
}

impl FromStr for GroupOfUsers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name: Name = text.parse().map_err(|why| format!("must be the name of a group: {why}"))?;
        if is_privileged_group(name.as_bytes()) {
            return Err(format!(
                "cannot be {name}: a group of that name gives rights on a node, which are no provider's to give"
            ));
        }
        Ok(Self(name))
    }
}

impl FromStr for GroupRule {
    type Err = String;

    /// A group's name here has no `=`: the last one is the sign.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.rsplit_once('=') {
            _ if text == "*" => Ok(Self::All),
            None => text.parse().map(Self::Same),
            Some((claimed, group)) => Ok(Self::As(claimed.parse()?, group.parse()?)),
        }
    }
}

impl fmt::Display for ClaimedGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NameSuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ClaimIs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.claim, self.value)
    }
}

impl fmt::Display for GroupOfUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for GroupRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Same(group) => write!(f, "{group}"),
            Self::As(claimed, group) => write!(f, "{claimed}={group}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_strictly_and_shown_as_they_were_written() {
        for good in ["*", "physics", "Cluster Users=users-of-cluster", "a=b=c", "/staff=staff2"] {
            assert_eq!(good.parse::<GroupRule>().unwrap().to_string(), good);
        }
        for bad in ["", "Physics", "=physics", "physics=", "a=B", "sudo", "admins=docker", "a = b", "**"] {
            assert!(bad.parse::<GroupRule>().is_err(), "{bad}");
        }
        let why = "admins=docker".parse::<GroupRule>().unwrap_err();
        assert!(why.contains("gives rights"), "{why}");
        assert_eq!("a=b=c".parse(), Ok(GroupRule::As(ClaimedGroup("a=b".into()), "c".parse().unwrap())));
        assert_eq!("department=physics=1".parse::<ClaimIs>().unwrap().value, "physics=1");
        for bad in ["department", "=physics", "department="] {
            assert!(bad.parse::<ClaimIs>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_domain_is_itself_and_nothing_below_or_beside_it() {
        let domain: Domain = "Example.COM".parse().unwrap();
        assert!(domain.is("example.com") && domain.is("EXAMPLE.com"));
        for other in ["a.example.com", "example.com.evil.test", "xexample.com", "example.com.", "еxample.com"]
        {
            assert!(!domain.is(other), "{other}");
        }
        for bad in ["", "@example.com", "*.example.com", ".com", "a..b", "exämple.com", "a b"] {
            assert!(bad.parse::<Domain>().is_err(), "{bad}");
        }
    }
}

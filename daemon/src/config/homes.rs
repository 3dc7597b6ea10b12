//! `[homes]`: whether and where podyd-helper makes home directories, and what becomes of them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use identity::AbsolutePath;

/// `[homes]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Homes {
    /// Whether they are made.
    pub create: bool,
    /// They are below one of these.
    pub roots: Vec<HomeRoot>,
    /// Their permissions.
    pub mode: HomeMode,
    /// What a new one holds.
    pub skel: AbsolutePath,
    /// What becomes of one whose owner is deleted.
    pub on_delete: OnDelete,
    /// Where archived ones go; none: to `.archived` in their root.
    pub archive_to: Option<PathBuf>,
}

impl Default for Homes {
    fn default() -> Self {
        Self {
            create: true,
            roots: vec!["/home".parse().expect("the default is valid")],
            mode: HomeMode(0o700),
            skel: "/etc/skel".parse().expect("the default is valid"),
            on_delete: OnDelete::default(),
            archive_to: None,
        }
    }
}

impl Homes {
    /// Whether anything is done about homes on this node.
    pub fn are_looked_after(&self) -> bool {
        self.create || self.on_delete != OnDelete::Keep
    }

    /// The root that a home is below, the innermost of them, and its path from there.
    pub fn place_of<'a>(&'a self, home: &'a AbsolutePath) -> Option<(&'a str, &'a str)> {
        let below = self.roots.iter().map(HomeRoot::as_str).filter_map(|root| {
            let rest = home.as_str().strip_prefix(root)?.strip_prefix('/')?;
            Some((root, rest))
        });
        below.max_by_key(|(root, _)| root.len())
    }
}

/// A directory of home directories: any but `/`, below which everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeRoot(AbsolutePath);

impl HomeRoot {
    /// Its path.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for HomeRoot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path: AbsolutePath = text.parse().map_err(|error| format!("{error}"))?;
        if path.as_str() == "/" {
            return Err(
                "must be a directory of homes, such as \"/home\", and not the root of everything".into()
            );
        }
        Ok(Self(path))
    }
}

impl fmt::Display for HomeRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Permissions of a home directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HomeMode(pub u32);

impl FromStr for HomeMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_octal = matches!(text.len(), 3 | 4) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let mode = is_octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
        // Its owner has all of it; nobody else's files are to appear in it but those of its group.
        mode.filter(|mode| mode & 0o700 == 0o700 && mode & !0o775 == 0).map(Self).ok_or(
            "must be permissions such as \"0700\" or \"0755\", with 7 for the owner and no 2 for everybody",
        )
    }
}

impl fmt::Display for HomeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// What becomes of the home of somebody who is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDelete {
    /// Nothing.
    #[default]
    Keep,
    /// It goes where only root looks.
    Archive,
    /// It is gone, with all that is in it.
    Remove,
}

impl FromStr for OnDelete {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "keep" => Ok(Self::Keep),
            "archive" => Ok(Self::Archive),
            "remove" => Ok(Self::Remove),
            _ => Err("is \"keep\", \"archive\" or \"remove\""),
        }
    }
}

impl fmt::Display for OnDelete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::Archive => "archive",
            Self::Remove => "remove",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_its_owners_and_not_open_to_the_writing_of_everybody() {
        for (text, mode) in [("0700", 0o700), ("755", 0o755), ("0770", 0o770), ("0711", 0o711)] {
            assert_eq!(text.parse(), Ok(HomeMode(mode)), "{text}");
        }
        for bad in ["", "7", "0777", "0702", "0600", "4755", "1777", "0o700", "+700", "rwx", "00700"] {
            assert!(bad.parse::<HomeMode>().is_err(), "{bad}");
        }
        assert_eq!(HomeMode(0o700).to_string(), "0700");
    }

    #[test]
    fn a_home_is_below_a_root_and_not_beside_it() {
        let roots = ["/home", "/srv/home", "/home/big"].map(|root| root.parse().unwrap()).into();
        let homes = Homes { roots, ..Homes::default() };
        let place = |home: &str| homes.place_of(&home.parse().unwrap()).map(|(_, rest)| rest.to_owned());
        assert_eq!(place("/home/ada").as_deref(), Some("ada"));
        assert_eq!(place("/srv/home/a/ada").as_deref(), Some("a/ada"));
        assert_eq!(place("/home/big/ada").as_deref(), Some("ada"), "the innermost root counts");
        for elsewhere in ["/home", "/", "/homes/ada", "/srv/ada", "/root"] {
            assert_eq!(place(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn homes_are_below_a_directory_and_not_just_anywhere() {
        assert_eq!("/srv/home".parse::<HomeRoot>().unwrap().as_str(), "/srv/home");
        for bad in ["", "/", "home", "/home/..", "/home/", "/home//x"] {
            assert!(bad.parse::<HomeRoot>().is_err(), "{bad}");
        }
    }
}

//! Group names that mean power on a node, and therefore never come out of a directory.

/// Groups whose *name* gives rights, whatever their gid: sudoers(5), polkit and device rules go by
/// name. The modules never serve them and the directory never creates them, so that whoever takes
/// podyd over has not taken root over.
pub const PRIVILEGED_GROUPS: &[&str] = &[
    "adm",
    "admin",
    "audio",
    "backup",
    "bin",
    "cdrom",
    "daemon",
    "dialout",
    "dip",
    "disk",
    "docker",
    "floppy",
    "incus",
    "incus-admin",
    "input",
    "kmem",
    "kvm",
    "libvirt",
    "libvirt-qemu",
    "lp",
    "lpadmin",
    "lxd",
    "mail",
    "man",
    "messagebus",
    "netdev",
    "news",
    "nogroup",
    "operator",
    "plugdev",
    "podman",
    "polkitd",
    "proxy",
    "pody",
    "render",
    "root",
    "sasl",
    "sgx",
    "shadow",
    "src",
    "ssh",
    "staff",
    "sudo",
    "sync",
    "sys",
    "systemd-coredump",
    "systemd-journal",
    "systemd-network",
    "systemd-resolve",
    "systemd-timesync",
    "tape",
    "tty",
    "users",
    "utmp",
    "uucp",
    "video",
    "voice",
    "wheel",
    "www-data",
];

/// Whether `name` is in [`PRIVILEGED_GROUPS`].
pub fn is_privileged_group(name: &[u8]) -> bool {
    is_candidate(name) && PRIVILEGED_GROUPS.iter().any(|privileged| privileged.as_bytes() == name)
}

/// For each first letter the lengths of the listed names, a bit each: nearly every lookup of a group by any
/// program ends here instead of comparing with the whole list.
const LENGTHS: [u32; 256] = {
    let mut lengths = [0; 256];
    let mut index = 0;
    while index < PRIVILEGED_GROUPS.len() {
        let name = PRIVILEGED_GROUPS[index].as_bytes();
        lengths[name[0] as usize] |= 1 << name.len();
        index += 1;
    }
    lengths
};

fn is_candidate(name: &[u8]) -> bool {
    let Some(first) = name.first() else { return false };
    name.len() < 32 && LENGTHS[usize::from(*first)] & (1 << (name.len() % 32)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_that_make_root_are_listed() {
        for name in ["root", "sudo", "wheel", "admin", "docker", "shadow", "disk", "lxd"] {
            assert!(is_privileged_group(name.as_bytes()), "{name}");
        }
        assert!(PRIVILEGED_GROUPS.iter().all(|name| is_privileged_group(name.as_bytes())));
        assert!(
            !is_privileged_group(b"physics") && !is_privileged_group(b"") && !is_privileged_group(b"sudo2")
        );
    }
}

//! Group names that mean power on a node, and therefore never come out of a directory.

/// Groups whose *name* gives rights, whatever their gid: sudoers(5), polkit and device rules go by
/// name. The modules never serve them and the directory never creates them, so that whoever takes
/// podyd over has not taken root over. One text, since a list of texts would cost the NSS module a
/// relocation for each in every process.
const PRIVILEGED_GROUPS: &[u8] = b"adm admin audio backup bin cdrom daemon dialout dip disk docker floppy \
    incus incus-admin input kmem kvm libvirt libvirt-qemu lp lpadmin lxd mail man messagebus netdev news \
    nogroup operator plugdev podman polkitd proxy pody render root sasl sgx shadow src ssh staff sudo sync sys \
    systemd-coredump systemd-journal systemd-network systemd-resolve systemd-timesync tape tty users utmp uucp \
    video voice wheel www-data";

/// Whether a group of this name would give rights on a node: `sudo`, `wheel`, `docker`, `shadow` and their like.
pub fn is_privileged_group(name: &[u8]) -> bool {
    is_candidate(name) && listed().any(|privileged| privileged == name)
}

fn listed() -> impl Iterator<Item = &'static [u8]> {
    PRIVILEGED_GROUPS.split(|byte| *byte == b' ')
}

/// For each first letter the lengths of the listed names, a bit each: nearly every lookup of a group by any
/// program ends here instead of comparing with the whole list.
const LENGTHS: [u32; 26] = {
    let mut lengths = [0; 26];
    let (mut start, mut end) = (0, 0);
    while end <= PRIVILEGED_GROUPS.len() {
        if end == PRIVILEGED_GROUPS.len() || PRIVILEGED_GROUPS[end] == b' ' {
            lengths[(PRIVILEGED_GROUPS[start] - b'a') as usize] |= 1 << (end - start);
            start = end + 1;
        }
        end += 1;
    }
    lengths
};

fn is_candidate(name: &[u8]) -> bool {
    let letter = name.first().map_or(u8::MAX, |first| first.wrapping_sub(b'a'));
    match LENGTHS.get(usize::from(letter)) {
        Some(lengths) => name.len() < 32 && lengths & (1 << (name.len() % 32)) != 0,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_that_make_root_are_listed() {
        for name in ["root", "sudo", "wheel", "admin", "docker", "shadow", "disk", "lxd", "adm", "www-data"] {
            assert!(is_privileged_group(name.as_bytes()), "{name}");
        }
        assert!(listed().all(is_privileged_group) && listed().count() == 59);
        for name in ["physics", "", "sudo2", "sud", " sudo", "adm admin", "Sudo", "{"] {
            assert!(!is_privileged_group(name.as_bytes()), "{name:?}");
        }
    }
}

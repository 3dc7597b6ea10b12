//! The built `libnss_pody.so.2`: what it is made of, and the real `getent` over it in a mount namespace of
//! its own, so that the host's files stay as they are.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The most that the module may weigh, in bytes, stripped.
const MAX_BYTES: u64 = 64 * 1024;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).current_dir(workspace()).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn text(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {err}");
    out.into_owned()
}

fn module() -> String {
    let cargo = std::env!("CARGO");
    text(cargo, &["build", "-q", "-p", "nss-module", "--no-default-features", "--profile", "module"]);
    let cargo_target =
        option_env!("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    cargo_target.join("module/libnss_pody.so").to_str().expect("the path is text").to_owned()
}

#[test]
fn the_module_is_small_needs_libc_alone_and_cannot_panic() {
    let module = module();
    let stripped = format!("{}/nss-module-{}.so", std::env::temp_dir().display(), std::process::id());
    text("strip", &["-o", &stripped, &module]);
    let size = std::fs::metadata(&stripped).unwrap().len();
    std::fs::remove_file(&stripped).unwrap();
    assert!(size < MAX_BYTES, "{size} bytes");
    let dynamic = text("readelf", &["-d", &module]);
    let needed: Vec<&str> = dynamic.lines().filter(|line| line.contains("(NEEDED)")).collect();
    assert!(needed.len() == 1 && needed[0].contains("[libc.so.6]"), "{needed:?}");
    assert!(dynamic.contains("[libnss_pody.so.2]") && dynamic.contains("NODELETE"), "{dynamic}");
    let symbols = text("nm", &[&module]).to_lowercase();
    assert!(!symbols.contains("panic"), "a path that panics was linked in");
    assert!(!symbols.contains("getenv") && !symbols.contains("tls"), "it reads no environment, has no TLS");
    for line in text("nm", &["-D", "--defined-only", &module]).lines() {
        let symbol = line.split_whitespace().last().unwrap();
        assert!(symbol.starts_with("_nss_pody_"), "{symbol} is exported");
    }
}

/// Publishes one user and three groups, one of which nobody may have, and leaves a module where the loader
/// finds it. `$1` is the module, `$2` the publishing example.
const SET_UP: &str = r#"
mount -t tmpfs none /mnt && mkdir -p /mnt/cache /mnt/run /mnt/lib /var/cache/pody /run/pody
mount --bind /mnt/cache /var/cache/pody; mount --bind /mnt/run /run/pody
cp "$1" /mnt/lib/libnss_pody.so.2
echo 'ada:*:1900000001:1900000001:Ada Lovelace:/home/ada:/bin/bash' > /mnt/passwd
printf '%s\n' 'ada:*:1900000001:' 'physics:*:1900000002:ada' 'sudo:*:1900000003:ada' > /mnt/group
"$2" /mnt/passwd /mnt/group /var/cache/pody /run/pody >/dev/null
for map in passwd group shadow; do echo "$map: files pody [UNAVAIL=return]"; done > /mnt/nsswitch.conf
mount --bind /mnt/nsswitch.conf /etc/nsswitch.conf
export LD_LIBRARY_PATH=/mnt/lib
"#;

fn story(script: &str) -> String {
    let cargo = std::env!("CARGO");
    text(cargo, &["build", "-q", "-p", "snapshot", "--features", "std", "--example", "publish_passwd"]);
    let cargo_target =
        option_env!("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let publish = cargo_target.join("debug/examples/publish_passwd");
    let script = format!("{SET_UP}{script}");
    text(
        "unshare",
        &["-m", "sh", "-c", &script, "sh", &module(), publish.to_str().expect("the path is text")],
    )
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn getent_and_id_see_pody_users_and_local_ones_alike() {
    let told = story(
        r#"
        getent passwd ada; getent passwd 1900000001; getent group physics; getent group 1900000002
        getent shadow ada; id ada; getent passwd | grep -c '^ada:'; getent group | grep -E -c '^(ada|physics):'
        getent passwd root | cut -d: -f1,3; getent initgroups ada
        getent group sudo | grep -c 1900000003; getent group 1900000003; echo "status $?"
        getent passwd eve; echo "status $?"
        "#,
    );
    let expected = [
        "ada:*:1900000001:1900000001:Ada Lovelace:/home/ada:/bin/bash",
        "ada:*:1900000001:1900000001:Ada Lovelace:/home/ada:/bin/bash",
        "physics:*:1900000002:ada",
        "physics:*:1900000002:ada",
        "ada:*:::::::",
        "uid=1900000001(ada) gid=1900000001(ada) groups=1900000001(ada),1900000002(physics),1900000003",
        "1",
        "2",
        "root:0",
        "ada                   1900000002 1900000003",
        "0",
        "status 2",
        "status 2",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn without_a_snapshot_or_with_a_damaged_one_nobody_is_said_not_to_exist() {
    let told = story(
        r#"
        cat > /mnt/ask.py <<'END'
import ctypes, ctypes.util, os, sys
libc = ctypes.CDLL(None, use_errno=True)
room, result, struct = ctypes.create_string_buffer(4096), ctypes.c_void_p(), ctypes.create_string_buffer(256)
status = libc.getpwnam_r(sys.argv[1].encode(), struct, room, 4096, ctypes.byref(result))
print("found" if result.value else "absent" if status == 0 else os.strerror(status))
END
        python3 /mnt/ask.py ada; python3 /mnt/ask.py eve
        chmod 666 /var/cache/pody/base-*[0-9]; python3 /mnt/ask.py ada
        chmod 444 /var/cache/pody/base-*[0-9]; python3 /mnt/ask.py ada
        truncate -s -8 /var/cache/pody/base-*[0-9]; python3 /mnt/ask.py ada; python3 /mnt/ask.py root
        rm /var/cache/pody/*; python3 /mnt/ask.py ada
        "#,
    );
    let damaged = "Bad message";
    let expected = ["found", "absent", damaged, "found", damaged, "found", "No such file or directory"];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn the_account_part_is_for_root_alone() {
    let told = story("getent shadow ada; setpriv --reuid 65534 --clear-groups getent shadow ada; echo $?");
    assert_eq!(told.lines().collect::<Vec<_>>(), ["ada:*:::::::", "2"]);
}

#[test]
#[ignore = "needs root: private mount namespace"]
fn loading_and_unloading_it_a_thousand_times_does_no_harm() {
    let told = story(
        r#"
        cat > /mnt/load.py <<'END'
import ctypes, _ctypes
for _ in range(1000):
    module = ctypes.CDLL("libnss_pody.so.2")
    room, struct, errno = ctypes.create_string_buffer(4096), ctypes.create_string_buffer(256), ctypes.c_int()
    found = module._nss_pody_getpwnam_r(b"ada", struct, room, ctypes.c_size_t(4096), ctypes.byref(errno))
    assert found == 1, (found, errno.value)
    _ctypes.dlclose(module._handle)
print(sum("base-" in line for line in open("/proc/self/maps")))
END
        python3 /mnt/load.py
        "#,
    );
    assert_eq!(told, "1\n", "one mapping of the base");
}

//! What systemd is told about podyd: sd_notify(3). Without systemd nobody listens, and nothing here fails.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use systemd::daemon::{
    STATE_READY, STATE_RELOADING, STATE_STATUS, STATE_STOPPING, STATE_WATCHDOG, notify, watchdog_enabled,
};

/// Starting, or reloading, is over.
pub fn ready(status: &str) {
    tell(&[(STATE_READY, "1".into()), (STATE_STATUS, one_line(status))]);
}

/// The configuration is being read again; [`ready`] ends it. `Type=notify-reload` wants the time with it.
pub fn reloading() {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    tell(&[(STATE_RELOADING, "1".into()), ("MONOTONIC_USEC", now.as_micros().to_string())]);
}

/// podyd is on its way out.
pub fn stopping() {
    tell(&[(STATE_STOPPING, "1".into())]);
}

/// One line for `systemctl status`.
pub fn status(text: &str) {
    tell(&[(STATE_STATUS, one_line(text))]);
}

/// How often [`watchdog`] must be called: twice in the time that the unit's `WatchdogSec` gives, if it does.
pub fn watchdog_interval() -> Option<Duration> {
    watchdog_enabled()
        .ok()
        .filter(|microseconds| *microseconds > 0)
        .map(|time| Duration::from_micros(time / 2))
}

/// podyd is alive.
pub fn watchdog() {
    tell(&[(STATE_WATCHDOG, "1".into())]);
}

fn tell(state: &[(&str, String)]) {
    if let Err(error) = notify(state.iter()) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// A line break would begin another assignment, such as `MAINPID=`.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;

    /// Set in the process that speaks: the socket's name is taken from the environment, which a test
    /// must not change under the others.
    const SPEAKER: &str = "PODY_TEST_NOTIFY_SPEAKER";

    #[test]
    fn systemd_hears_what_it_is_told() {
        if std::env::var_os(SPEAKER).is_some() {
            ready("serving\nMAINPID=1");
            reloading();
            stopping();
            assert_eq!(watchdog_interval(), Some(Duration::from_secs(15)));
            return watchdog();
        }
        let path = std::env::temp_dir().join(format!("pody-notify-{}", std::process::id()));
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut speaker = Command::new(std::env::current_exe().unwrap());
        speaker.args(["--exact", "notify::tests::systemd_hears_what_it_is_told"]);
        speaker
            .env(SPEAKER, "1")
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "30000000")
            .env_remove("WATCHDOG_PID");
        let output = speaker.output().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

        let heard = || {
            let mut buffer = [0; 1024];
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        assert_eq!(heard(), "READY=1\nSTATUS=serving MAINPID=1");
        let reloading = heard();
        let since_boot = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(since_boot.parse::<u64>().unwrap() > 0);
        assert_eq!(heard(), "STOPPING=1");
        assert_eq!(heard(), "WATCHDOG=1");
    }

    #[test]
    fn without_systemd_nothing_fails() {
        status("nobody listens");
        watchdog();
    }
}

//! A machine with Docker Engine, on which the images of packaging/compose are built and brought up with docker-compose.
//!
//! All that an engine does to a machine, to its network, its firewall and its mounts, it does there.

use std::fs;
use std::ops::Deref;
use std::time::Duration;

use crate::host::Outcome;
use crate::machine::Machine;
use crate::paths::repository;
use crate::wait;

/// Building both images takes half a minute on a machine that has nothing else to do.
const BUILD: Duration = Duration::from_secs(300);

/// A container is healthy when its check has first succeeded, some seconds after it is.
const HEALTHY: Duration = Duration::from_secs(120);

/// Where packaging/compose is there.
const FOLDER: &str = "/root/compose";

/// What containers leave behind unless they are taken down, a command for each kind; images are kept.
pub const TRACES: [&str; 7] = [
    "docker ps --all --quiet",
    "docker volume ls --quiet",
    "docker network ls --quiet --filter type=custom",
    "pgrep --list-full 'containerd-shim|docker-proxy|podyd|postgres'",
    "findmnt --noheadings --list --output TARGET | grep -e '^/var/lib/docker/.' -e '^/run/docker/netns/.'",
    "ip -oneline link show | grep -e veth -e ' br-'",
    "iptables-save | grep -e br- -e DNAT",
];

/// A running engine with both images; it is gone, with all that it ran, when dropped.
pub struct Engine {
    machine: Machine,
}

/// A compose file that is brought up there under a name.
pub struct Project<'a> {
    engine: &'a Engine,
    name: &'static str,
    file: &'static str,
    /// `NAME=value …`, as a shell has it before a command.
    variables: String,
}

impl Engine {
    /// Starts one and builds the images from what `make install` installs, without a network.
    pub fn with_images() -> Self {
        let machine = Machine::for_containers();
        // Images are layers: they cannot lie on what is a layer itself.
        machine
            .run(
                "mkdir -m 0710 /var/lib/docker && mount -t tmpfs -o mode=0710 images /var/lib/docker && systemctl start docker \
                 && docker import /var/local/base.tar debian:bookworm-slim",
            )
            .succeeds();
        let engine = Self { machine };
        engine.bring_folder();
        engine.build();
        engine
    }

    fn bring_folder(&self) {
        self.run(&format!("mkdir {FOLDER}")).succeeds();
        let files = fs::read_dir(repository().join("packaging/compose")).expect("a folder of the tree");
        // What stands in folders there was built, or is secret.
        for file in files.map(|entry| entry.expect("it can be read").path()).filter(|path| path.is_file()) {
            let name = file.file_name().expect("a file has a name").display();
            fs::copy(&file, self.path(&format!("{FOLDER}/{name}"))).expect("it can be copied");
        }
        self.install_files(&format!("{FOLDER}/target"));
    }

    fn build(&self) {
        let unit = "systemd-run --quiet --unit build --working-directory";
        self.run(&format!("{unit} {FOLDER} --property RemainAfterExit=yes docker-compose build")).succeeds();
        let state = || self.run("systemctl show --value --property SubState build").succeeds();
        wait::until("the images to be built", BUILD, || ["exited", "failed"].contains(&&*state()));
        let said = self.run("journalctl --no-pager --output cat --unit build");
        assert_eq!(state(), "exited", "{}", said.stdout);
    }

    /// A compose file of the folder, to be brought up with these variables.
    pub fn project(&self, name: &'static str, file: &'static str, variables: &str) -> Project<'_> {
        Project { engine: self, name, file, variables: variables.to_owned() }
    }

    /// Writes a secret into the folder, as README.md there says.
    pub fn write_secret(&self, name: &str, secret: &str) {
        self.run(&format!("mkdir -p -m 0700 {FOLDER}/secrets")).succeeds();
        self.write(&format!("{FOLDER}/secrets/{name}"), secret);
        self.run(&format!("chmod 0600 {FOLDER}/secrets/{name}")).succeeds();
    }

    /// What there is of containers; each trace begins with the command that shows it.
    pub fn traces(&self) -> Vec<String> {
        let seen = |command: &&'static str| (*command, self.run(command).stdout);
        let lines = |(command, seen): (&str, String)| -> Vec<String> {
            seen.lines().map(|line| format!("{command}: {line}")).collect()
        };
        TRACES.iter().map(seen).flat_map(lines).collect()
    }
}

impl Project<'_> {
    /// Runs docker-compose.
    pub fn compose(&self, command: &str) -> Outcome {
        let Self { engine, name, file, variables } = self;
        engine.run(&format!("cd {FOLDER} && {variables} docker-compose -p {name} -f {file} {command}"))
    }

    /// Brings it up and waits until all of it is healthy.
    pub fn up(&self) {
        self.compose("up --detach --no-build").succeeds();
        for service in ["database", "node"] {
            let healthy = || self.inspect(service, "{{.State.Health.Status}}") == "healthy";
            if !wait::comes_true(HEALTHY, healthy) {
                panic!("{service} does not become healthy: {}", self.logs());
            }
        }
    }

    /// Runs a script in the node's container, as root.
    pub fn in_node(&self, script: &str) -> Outcome {
        self.engine.write("/run/script", script);
        self.compose("exec -T node sh </run/script")
    }

    /// What Docker says of a service's container, by a template.
    pub fn inspect(&self, service: &str, template: &str) -> String {
        let container = self.container(service);
        self.engine.run(&format!("docker inspect --format '{template}' {container}")).succeeds()
    }

    /// What a service's container is called.
    pub fn container(&self, service: &str) -> String {
        format!("{}_{service}_1", self.name)
    }

    /// Everything that its containers have said.
    pub fn logs(&self) -> String {
        self.compose("logs --no-color").succeeds()
    }
}

impl Deref for Engine {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

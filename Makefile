# The front door. Each verb is one script or one command; CI uses the same ones.

CARGO_TARGET_DIR ?= target
# Which build `make install` takes: release, or debug as the tests do. The NSS module has one of its own.
PROFILE ?= release
PREFIX ?= /usr
MULTIARCH := $(shell dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch 2>/dev/null)
LIBDIR ?= $(PREFIX)/lib$(if $(MULTIARCH),/$(MULTIARCH),64)
# How long `make fuzz` stays with each target.
SECONDS ?= 60
# How often `make vm` cuts the power.
CUTS ?= 4
export CARGO_TARGET_DIR

built = $(CARGO_TARGET_DIR)/$(PROFILE)
root = $(DESTDIR)$(PREFIX)

# Every database that podyd can speak to.
BACKENDS := --features daemon/backend-postgres,daemon/backend-mysql

# What the names of tests on MySQL have in them, which tests/run leaves out.
ON_MYSQL := ::mysql:: on_mysql

.PHONY: help demo try test test-mysql vm build module install lint bench fuzz

help: ## List these verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: ## See it work: build it and log a user in, in a private copy of this machine
	@tests/demo

try: ## The same, ending in a shell to play in
	@tests/demo --shell

test: ## Run every check there is (some need root: the rest runs without)
	@tests/run

test-mysql: ## Run what databases must do on MySQL, too, out of the newest Debian
	@tests/servers/install mysql
	cargo test --locked --package servers --test mysql
	@for name in $(ON_MYSQL); do \
		cargo test --locked --package daemon --lib $(BACKENDS) -- --list 2>/dev/null | grep -q "$$name.*: test$$" || \
			{ echo "There are no tests called $$name to run on MySQL" >&2; exit 1; }; \
	done
	cargo test --locked --package daemon --lib $(BACKENDS) -- --include-ignored $(ON_MYSQL)

vm: ## Run the checks that need a virtual machine, as root; they cut its power CUTS=4 times
	@CUTS=$(CUTS) tests/run vm

build: module ## Build what is installed
	cargo build --locked --release --workspace --exclude tests --exclude servers $(BACKENDS)

module: # without std, unwinding and whatever else a program that calls getpwnam did not ask for
	@tests/deps build
	cargo build --locked --package nss-module --no-default-features --profile module

install: ## Install what was built; honours DESTDIR, PREFIX, LIBDIR, CARGO_TARGET_DIR, PROFILE
	@test -e $(built)/podyd || { echo "There is no $(built)/podyd: run make build first" >&2; exit 1; }
	install -D -m 0755 $(built)/podyd $(root)/sbin/podyd
	install -D -m 0755 $(built)/podyctl $(root)/bin/podyctl
	install -D -m 0755 $(built)/podyd-helper $(root)/libexec/pody/podyd-helper
	install -D -m 0644 -s $(CARGO_TARGET_DIR)/module/libnss_pody.so $(DESTDIR)$(LIBDIR)/libnss_pody.so.2
	install -D -m 0644 $(built)/libpam_pody.so $(DESTDIR)$(LIBDIR)/security/pam_pody.so
	install -D -m 0644 -t $(root)/lib/systemd/system systemd/system/*
	install -D -m 0644 -t $(root)/lib/sysusers.d systemd/sysusers.d/*
	install -D -m 0644 -t $(root)/lib/tmpfiles.d systemd/tmpfiles.d/*
	install -D -m 0755 packaging/nsswitch $(root)/share/pody/nsswitch
	mkdir -p $(root)/share/pody && cp -R packaging/pam $(root)/share/pody/
	install -D -m 0644 -t $(root)/share/man/man1 docs/man/*.1
	install -D -m 0644 -t $(root)/share/man/man5 docs/man/*.5
	install -D -m 0644 -t $(root)/share/man/man8 docs/man/*.8
	install -d $(root)/share/bash-completion/completions $(root)/share/zsh/site-functions $(root)/share/fish/vendor_completions.d
	$(built)/podyctl completions bash >$(root)/share/bash-completion/completions/podyctl
	$(built)/podyctl completions zsh >$(root)/share/zsh/site-functions/_podyctl
	$(built)/podyctl completions fish >$(root)/share/fish/vendor_completions.d/podyctl.fish
	test -e $(DESTDIR)/etc/pody/id-ranges || install -D -m 0644 packaging/id-ranges $(DESTDIR)/etc/pody/id-ranges
	test -e $(DESTDIR)/etc/pody/config.toml || install -D -m 0640 config.toml $(DESTDIR)/etc/pody/config.toml

lint: ## Formatting, clippy, and licences and advisories where cargo-deny is installed
	@tests/deps build
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets $(BACKENDS) -- --deny warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; fi

bench: ## Measure lookups, publications, imports and logins, each beside a control
	@benches/run

fuzz: ## Throw hostile bytes at everything that reads bytes of others, for SECONDS=60 each
	@fuzz/run $(SECONDS)

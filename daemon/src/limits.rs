//! Everything that somebody else can grow, and how far: each limit with its reason.

use std::time::Duration;

/// A password, in bytes: PAM carries no more (PAM_MAX_RESP_SIZE), so nobody could log in with a longer one.
pub const MAX_PASSWORD_BYTES: usize = 512;

/// A stored password hash, in bytes: crypt(3) returns 383 at the most (CRYPT_OUTPUT_SIZE), the longest
/// argon2id string that is accepted is half that.
pub const MAX_HASH_BYTES: usize = 383;

/// Memory of one argon2id hash, in KiB: 1 GiB, the most that libsodium's strongest preset takes.
pub const MAX_ARGON2_MEMORY_KIB: u32 = 1024 * 1024;

/// Passes of one argon2id hash; RFC 9106 recommends 1 and 3.
pub const MAX_ARGON2_PASSES: u32 = 16;

/// Lanes of one argon2id hash. They are computed one after the other, so they buy an attacker nothing.
pub const MAX_ARGON2_LANES: u32 = 16;

/// Memory times passes of one argon2id hash, in KiB: 4 GiB, some 4 seconds. The limits above together
/// would allow 16 GiB, longer than anybody waits for a login.
pub const MAX_ARGON2_WORK_KIB: u64 = 4 * 1024 * 1024;

/// Memory of one yescrypt hash, in bytes: 1 GiB, what crypt(3) uses at its highest cost, 11.
pub const MAX_YESCRYPT_MEMORY_BYTES: u64 = 1 << 30;

/// Memory of all the password checks that run at a time, in KiB: 1 GiB, what the costliest hash takes and a small
/// machine can spare. An imported hash gets its share of it and no more; one that takes more has several shares.
pub const MAX_VERIFICATION_MEMORY_KIB: u64 = 1024 * 1024;

/// The smallest share of [`MAX_VERIFICATION_MEMORY_KIB`], in KiB, on machines with many CPUs and as much memory:
/// 64 MiB, RFC 9106's second choice, what PHP and libsodium take by default.
pub const MIN_VERIFICATION_SHARE_KIB: u64 = 64 * 1024;

/// Rounds of sha256crypt and sha512crypt: under half a second for ordinary passwords. The format allows
/// 999 999 999, which is minutes.
pub const MAX_SHA_CRYPT_ROUNDS: u32 = 1_000_000;

/// Cost of bcrypt: 15 takes some 2 seconds and each step doubles that; the format goes up to 31, a day.
pub const MAX_BCRYPT_COST: u32 = 15;

/// Password checks that wait for a slot. More would wait longer than [`MAX_VERIFICATION_WAIT`] on all but
/// the largest machines; the next one is told at once that podyd is busy.
pub const MAX_WAITING_VERIFICATIONS: usize = 256;

/// How long a password check waits for a slot: people, and programs that call PAM, give up soon after.
pub const MAX_VERIFICATION_WAIT: Duration = Duration::from_secs(10);

/// Records of failed logins, which podyd holds in memory: anybody on the network can fail from any address, and at 150
/// bytes each these are 15 MB. The oldest make room.
pub const MAX_LOCKOUT_RECORDS: usize = 100_000;

/// Logins that wait for an answer: each costs a few hundred bytes, and sshd's MaxStartups is 100.
pub const MAX_LOGINS: usize = 1024;

/// Logins of one caller other than root, who can begin them for oneself alone: more than anybody's screen lockers
/// and polkit agents ever have.
pub const MAX_LOGINS_PER_CALLER: usize = 16;

/// Logins at the OpenID provider that are under way: a slow provider, or people who never come back, take no more than an
/// eighth of [`MAX_LOGINS`] from those who log in by password.
pub const MAX_DEVICE_LOGINS: usize = 128;

/// How long a login at the provider may take, whatever is waited for: below sshd's LoginGraceTime of 120 s, so that people are
/// told how it ended.
pub const LOGIN_GRACE: Duration = Duration::from_secs(100);

/// The same for login(1), which ends after LOGIN_TIMEOUT (login.defs(5)), 60 s.
pub const CONSOLE_LOGIN_GRACE: Duration = Duration::from_secs(50);

/// How long one call of a login waits for the provider before it says that it still does: below the 15 s after which pam_pody
/// gives podyd up, and below [`DRAIN_DEADLINE`].
pub const DEVICE_LOGIN_CALL: Duration = Duration::from_secs(5);

/// For how long it counts that somebody began a login at the provider.
pub const DEVICE_LOGIN_WINDOW: Duration = Duration::from_secs(600);

/// Logins at the provider that one user begins from one place within [`DEVICE_LOGIN_WINDOW`]: ssh begins three by itself where
/// none is approved.
pub const MAX_DEVICE_LOGINS_PER_USER: usize = 30;

/// The same of one remote place, whoever the users are: a room full of people behind one address.
pub const MAX_DEVICE_LOGINS_PER_SOURCE: usize = 300;

/// Logins that are counted so: at some 100 bytes each, a megabyte. The oldest make room.
pub const MAX_COUNTED_DEVICE_LOGINS: usize = 10_000;

/// A QR code, in columns and half as many lines: it has to fit a terminal of 80 columns, and most screens.
pub const MAX_QR_COLUMNS: usize = 60;
/// How long a login waits for its answer: sshd's LoginGraceTime is 120 s, login(1)'s time-out 60 s.
pub const LOGIN_LIFETIME: Duration = Duration::from_secs(180);

/// One-time codes that are good at a time, and as many of root's: each costs two hundred bytes, and is good for a minute.
pub const MAX_LOGIN_CODES: usize = 1024;

/// One-time codes of one user that are good at a time: a tool that connects to a few machines at once. More would let one person
/// take the places of all.
pub const MAX_LOGIN_CODES_PER_USER: usize = 8;

/// Codes by which one user may come back: a few computers, each of which was sent to the provider once. The oldest makes room.
pub const MAX_RELOGIN_CODES_PER_USER: u32 = 8;

/// How long a one-time code is good that a provider's word was exchanged for: it is copied from one window to another.
pub const LOGIN_CODE_LIFETIME: Duration = Duration::from_secs(60);

/// How old an ID token may be that is exchanged for a code: whoever brings it got it just now.
pub const MAX_ID_TOKEN_AGE_SECONDS: i64 = 10 * 60;

/// ID tokens that are remembered, so that each gets one code, as long as they would prove something: a megabyte.
pub const MAX_EXCHANGED_TOKENS: usize = 10_000;

/// ID tokens that one user of this machine, or one address, may bring within [`EXCHANGES_COUNTED_FOR`]: a signature costs little to
/// check, and nobody has as many logins.
pub const EXCHANGES_A_MINUTE: u32 = 60;

/// How long they are counted.
pub const EXCHANGES_COUNTED_FOR: Duration = Duration::from_secs(60);

/// Users and addresses whose ID tokens are counted: at a hundred bytes each, two megabytes.
pub const MAX_EXCHANGERS: usize = 20_000;

/// Logins whose browsers are on their way: each costs a kilobyte.
pub const MAX_BROWSER_LOGINS: usize = 256;

/// Those of one user of this machine: whoever begins one more has given the oldest up.
pub const MAX_BROWSER_LOGINS_PER_CALLER: usize = 4;

/// How long somebody may take in the browser: looking a password up and a second factor.
pub const BROWSER_LOGIN_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// How short a time root's one-time codes may be good: somebody reads one out and somebody types it.
pub const MIN_BREAK_GLASS: Duration = Duration::from_secs(60);

/// How long root's one-time codes may be good: whoever needs one for longer needs a password.
pub const MAX_BREAK_GLASS: Duration = Duration::from_secs(60 * 60);

/// Why root lets somebody in, as it stands in the journal: one line.
pub const MAX_BREAK_GLASS_REASON_CHARS: usize = 200;

/// Connections to the Varlink socket at a time, all peers but root together, and as many for root: whoever has
/// many uids (newuidmap(1) gives out 65 536) must not keep sshd and su out. Each may hold one frame of 1 MiB.
pub const MAX_CONNECTIONS: usize = 512;

/// Connections of one uid other than root, so that nobody can keep others out.
pub const MAX_CONNECTIONS_PER_UID: usize = 32;

/// Calls about the directory that are carried out at a time for all peers but root together: reading a group of
/// 100 000 members occupies a connection to the database for a while, and a login must find one of the four free.
pub const MAX_READS_OF_OTHERS: usize = 2;

/// How often connections that were closed for want of a place are told of: anybody can cause any number of them.
pub const COMPLAINT_EVERY: Duration = Duration::from_secs(60);

/// How long a connection may take to send a whole call, and how long it may say nothing: a peer that holds
/// a place must use it.
pub const CONNECTION_IDLE: Duration = Duration::from_secs(60);

/// How long one call may take, whatever it does: above the wait for a verification slot and for a publication.
pub const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// How long one statement of a database may take. Reading a page of a dump takes a fraction of a second; whoever asked has
/// given up by then.
pub const STATEMENT_DEADLINE: Duration = Duration::from_secs(10);

/// How long a login waits for the shared directory to say what the password is checked against, before what is remembered
/// here is taken: people have typed a password and look at a cursor.
pub const CREDENTIAL_DEADLINE: Duration = Duration::from_secs(3);

/// How long one step of a change of the tables may take: rewriting one of a million rows takes a minute or two.
pub const MIGRATION_DEADLINE: Duration = Duration::from_secs(600);

/// How often is looked whether the tables of a shared database still are those that this podyd knows: a newer podyd on
/// another node may have changed them. One small statement.
pub const SCHEMA_LOOK: Duration = Duration::from_secs(60);

/// How long calls that are under way at SIGTERM may finish: below the unit's TimeoutStopSec of 15 s.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// Records of a listing in one reply.
pub const MAX_PAGE: u32 = 1000;

/// Members of a group in one reply: with 32 characters each they stay below a frame of 1 MiB.
pub const MAX_MEMBERS_PAGE: usize = 20_000;

/// Users of an export in one reply: with a hash of 383 bytes each they stay well below a frame.
pub const MAX_EXPORT_PAGE: u32 = 500;

/// Records of an import in one call: what a frame of 1 MiB can hold, and short enough a transaction that
/// logins do not wait for it.
pub const MAX_BATCH: usize = 2000;

/// The header of an HTTP request, in bytes: a token and a few lines. The same number of bytes is what a connection that is
/// read from may hold.
pub const MAX_HTTP_HEADER_BYTES: u32 = 32 * 1024;

/// The body of an HTTP request, in bytes: that of a Varlink frame.
pub const MAX_HTTP_BODY_BYTES: usize = 1024 * 1024;

/// How long the body of an HTTP request may take to come in: 1 MiB over a line of 1 Mbit/s.
pub const HTTP_BODY_DEADLINE: Duration = Duration::from_secs(10);

/// How long an HTTP connection may be open before its first request has come in.
pub const HTTP_FIRST_REQUEST: Duration = Duration::from_secs(10);

/// How long an HTTP connection may be without a request after its first, whatever little it sends meanwhile: above the 90 s for
/// which our own client keeps one, which therefore never asks over one that is about to be closed.
pub const HTTP_IDLE: Duration = Duration::from_secs(120);

/// How long a peer that waits for no answer has to read that its connection ends.
pub const HTTP_GOODBYE: Duration = Duration::from_secs(1);

/// How long the kernel waits for a peer to take what was sent to it, before the connection is given up.
pub const HTTP_UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// How often a peer that speaks HTTP/2 is asked whether it is still there, and how long it may take to say so.
pub const HTTP_PING: Duration = Duration::from_secs(20);

/// How long a TLS handshake of a peer may take: three lost packets.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(10);

/// A file of certificates or a key, in bytes: some 500 authorities.
pub const MAX_CERTIFICATES_BYTES: u64 = 1024 * 1024;

/// Requests of one HTTP/2 connection at a time: a node has a few logins under way and waits for one feed.
pub const MAX_HTTP_STREAMS: u32 = 64;

/// Tokens and addresses whose requests are counted, and those whose tokens were wrong or right lately: at some 100 bytes each,
/// megabytes.
pub const MAX_HTTP_CLIENTS: usize = 20_000;

/// Wrong tokens that one address has free: nodes behind it that were set up with an old one try a few times each.
pub const WRONG_TOKENS: u32 = 50;

/// After how long one more is free: ten guesses a minute find no token that was drawn at random, and hardly a bad one.
pub const ONE_MORE_WRONG_TOKEN: Duration = Duration::from_secs(6);

/// How long a token that was right is not kept waiting because others at the same address are wrong: nodes ask at least every
/// half minute.
pub const KNOWN_TOKEN_FOR: Duration = Duration::from_secs(60 * 60);

/// Answers of this size and more are compressed, in bytes. What is smaller costs more memory and time than it saves: a
/// compressor takes 300 KB, and a thousand nodes are told of a change at once.
pub const COMPRESSED_FROM_BYTES: u16 = 16 * 1024;

/// Connections that each address may have even where there are few in all: a node keeps two or three open.
pub const MIN_HTTP_CONNECTIONS_PER_ADDRESS: usize = 8;

/// Answers to HTTP requests with an Idempotency-Key that are kept for a day: a hundred tools, each with a hundred changes
/// whose answers it may have lost.
pub const MAX_KEPT_ANSWERS: u32 = 10_000;

/// The longest answer that is kept, in bytes: a user in hundreds of groups. With [`MAX_KEPT_ANSWERS`], 160 MB.
pub const MAX_KEPT_ANSWER_BYTES: usize = 16 * 1024;

/// An htpasswd file, in bytes: 200 000 lines with bcrypt hashes. It is held in memory while it is read.
pub const MAX_HTPASSWD_BYTES: u64 = 16 * 1024 * 1024;

/// Lines of an htpasswd file that cannot be taken, each told of in the journal: whoever writes the file must not fill it.
pub const MAX_HTPASSWD_COMPLAINTS: usize = 100;

/// How long a connection to a libSQL server may take, its TLS handshake included: three lost packets.
pub const HRANA_CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// How long a libSQL server may take to answer: above the 5 s for which it lets a writer wait for another, and well
/// below [`CALL_DEADLINE`].
pub const HRANA_DEADLINE: Duration = Duration::from_secs(10);

/// One answer of a libSQL server: a page of the largest records that we ask for, many times over.
pub const MAX_HRANA_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// What of a libSQL server's own words goes into a message: one line of a log.
pub const MAX_HRANA_MESSAGE_CHARS: usize = 300;

/// Tokens of one user: one for each program and machine that needs one, and as many again while they are exchanged.
pub const MAX_TOKENS_PER_USER: u64 = 100;

/// Tokens of one user that are remembered after they were revoked, so that whoever presents one learns why it is refused.
pub const MAX_REVOKED_TOKENS_PER_USER: u64 = 100;

/// Identities of OpenID providers that one user is linked to: one at each provider that was ever used, and a few mistakes.
pub const MAX_IDENTITIES_PER_USER: u64 = 16;

/// Names that are kept at a time for people who log in for the first time, on all nodes of a directory together: sshd takes
/// 100 at a time on each, and anybody on the network can have one made up.
pub const MAX_DIRECTORY_RESERVATIONS: usize = 1000;

/// For how long a node may have a name kept by a service, in seconds, before it asks again: twice what sshd allows a login.
pub const MAX_RESERVED_SECONDS: u32 = 300;

/// Networks that a token may be used from: each use is compared with all of them, and they are one column of a table.
pub const MAX_TOKEN_NETWORKS: usize = 32;

/// Pages of tokens that are looked through for those that end soon: 10 000 tokens, one for each node of the largest clusters.
pub const MAX_EXAMINED_TOKEN_PAGES: usize = 10;

/// Tokens that end soon and are named in one sentence; of the others it says how many there are.
pub const MAX_NAMED_TOKENS: usize = 10;

/// A file of certificates, in bytes: all the authorities that a system trusts are a fifth of that.
pub const MAX_CERTIFICATE_FILE_BYTES: u64 = 1024 * 1024;

/// Tokens whose last use waits to be written down: at some 100 bytes each, a megabyte. What finds no room is not noted.
pub const MAX_NOTED_TOKEN_USES: usize = 10_000;

/// Uses of tokens that are written down in one transaction, which keeps other changes waiting.
pub const MAX_TOKEN_USES_A_TRANSACTION: usize = 100;

/// One line that another node sends, in bytes: a user in as many groups as Linux lets anybody be in (65 536), and nothing
/// longer.
pub const MAX_WIRE_LINE_BYTES: usize = 4 * 1024 * 1024;

/// How long a connection to the service that this node consumes may take, its TLS handshake included: what is not there by
/// then is asked for anew, so that a link that is mended is in use within two seconds.
pub const REMOTE_CONNECT_DEADLINE: Duration = Duration::from_secs(1);

/// One answer of a service, but for its feed: what comes of the largest batch.
pub const MAX_REMOTE_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Changes that a service tells of at a time: as many as are worth following one by one, at a kilobyte each. Instead of more,
/// the whole directory is copied, page by page.
pub const MAX_REMOTE_CHANGES_BYTES: usize = 32 * 1024 * 1024;

/// What of a service's own words goes into a message: two lines of a log.
pub const MAX_REMOTE_MESSAGE_CHARS: usize = 400;

/// How long whoever asks for changes may have podyd wait for one: below the minute after which things on the way forget
/// connections.
pub const MAX_FEED_WAIT: Duration = Duration::from_secs(55);

/// Answers of the feed that are kept, so that a thousand nodes are told of one change by one reading: those who are a change
/// or two behind are there, too.
pub const MAX_KEPT_FEEDS: usize = 8;

/// The longest answer of the feed that is kept, in bytes: some thousand users, and 16 MiB in all.
pub const MAX_KEPT_FEED_BYTES: usize = 2 * 1024 * 1024;

/// Whole copies of the directory that are made at the same time: each holds a transaction open and some megabytes. Whoever
/// finds no room is told when to come again.
pub const MAX_DUMPS: usize = 4;

/// How long whoever copies the directory may not take what is sent: the copy holds a transaction open.
pub const DUMP_STALLS: Duration = Duration::from_secs(30);

/// How long a whole copy may take: 100 000 users over a line of 1 Mbit/s, and then the log of SQLite may be cut back again.
pub const DUMP_DEADLINE: Duration = Duration::from_secs(300);

/// The body of a batch, in bytes: 2 000 users with the longest of everything.
pub const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Users of an original Pody: more are not those of one small cluster.
pub const MAX_PODY04_USERS: usize = 100_000;

/// One answer of an original Pody: a list of that many users, at 100 bytes each, and as much again.
pub const MAX_PODY04_ANSWER_BYTES: usize = 20 * 1024 * 1024;

/// Uids of an original Pody's users that this node keeps in mind for ever, each with the name it was first seen with: ten times
/// as many as there are users, since that server gives most ids again.
pub const MAX_PODY04_UIDS: u32 = 1_000_000;

/// Users who are left out and named in warnings; of the others it says how many there are.
pub const MAX_NAMED_LEFT_OUT: usize = 10;

/// Uids that are another user's after a whole copy and are named in warnings: one is enough to look at all of them.
pub const MAX_NAMED_CHANGED_HANDS: usize = 10;

/// One answer of an OpenID provider, in bytes: keys with long chains of certificates take some tens of thousands.
pub const MAX_OIDC_ANSWER_BYTES: usize = 256 * 1024;

/// An ID token, in bytes: one with the 200 groups that Entra puts into tokens has a third of that.
pub const MAX_ID_TOKEN_BYTES: usize = 32 * 1024;

/// One claim about somebody, in bytes: what OpenID Connect allows a subject to have, and more than names or addresses need.
pub const MAX_CLAIM_BYTES: usize = 255;

/// Groups that a token may name: each is a membership to be compared and written at a login.
pub const MAX_CLAIMED_GROUPS: usize = 1000;

/// How far a provider's clock may be from ours: more than NTP ever leaves, less than a token lives.
pub const MAX_CLOCK_SKEW_SECONDS: i64 = 60;

/// How long a provider's description holds: its endpoints change hardly ever, and whoever changes them keeps the old ones.
pub const OIDC_METADATA_MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// How long a provider's keys hold: whoever takes a stolen key back must not be ignored for long.
pub const OIDC_KEYS_MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// How often a token that no known key has signed lets a provider be asked for newer keys: anybody can make such a token up.
pub const OIDC_KEYS_FLOOR: Duration = Duration::from_secs(10);

/// How long a device flow may last, whatever the provider says: nobody approves a login half an hour later.
pub const MAX_DEVICE_LOGIN: Duration = Duration::from_secs(30 * 60);

/// The longest pause between two questions what became of a device flow: people wait at a terminal.
pub const MAX_POLL_INTERVAL: Duration = Duration::from_secs(60);

/// The code that people type in at the provider: it is copied by hand.
pub const MAX_USER_CODE_CHARS: usize = 64;

/// Where they type it in: it has to fit into a QR code on a terminal.
pub const MAX_VERIFICATION_URL_CHARS: usize = 512;

/// How often it is looked for people about whom the provider is to be asked again.
pub const RECHECK_TICK: Duration = Duration::from_secs(5);

/// How long a provider that does not answer is left alone; twice as long each time, up to [`RECHECK_AGAIN_AT_LEAST_EVERY`].
pub const RECHECK_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The longest such pause: whoever was disabled meanwhile is not to stay for long.
pub const RECHECK_AGAIN_AT_LEAST_EVERY: Duration = Duration::from_secs(5 * 60);

/// Questions to the provider about people, at a time: those who log in meanwhile come first.
pub const RECHECKS_AT_ONCE: usize = 4;

/// People who are looked for at a time about whom the provider is to be asked: at a kilobyte each.
pub const MAX_RECHECKS: u32 = 100;

/// Users whom the provider has ended and who are named in a warning; of the others it says how many there are.
pub const MAX_NAMED_REFUSED: usize = 10;

/// Users who were approved without a refresh token and of whom the log has told: where there are more, it is the provider's
/// settings that are wrong, and nobody needs to read that once more.
pub const MAX_WITHOUT_TOKEN: usize = 1000;

/// How long lookups show what is reserved for a first login. Whoever has looked by then logs in as the one they saw, for as
/// long as [`RESERVATION_HELD`].
pub const RESERVATION_SHOWN: Duration = Duration::from_secs(60);

/// How long a reservation is held: sshd, which looks once, allows a login 120 s after that (LoginGraceTime).
pub const RESERVATION_HELD: Duration = Duration::from_secs(180);

/// When the directory gives a reservation back: a minute later, so that another node, whose clock is ahead, does not while a
/// login is under way here.
pub const RESERVATION_KEPT: Duration = Duration::from_secs(240);

/// Names for which something new may be reserved at once: a room full of people who log in for the first time. As many again
/// for names that were asked for before.
pub const RESERVATIONS_AT_ONCE: u32 = 20;

/// After how long one more is free: each is a transaction in the directory and an id that others cannot have for a while, and
/// sshd is asked for names that nobody has all day long.
pub const ONE_MORE_RESERVATION: Duration = Duration::from_secs(6);

/// Reservations of one node at a time: more than the rates let anybody hold, which is twice 20 and 40.
pub const MAX_RESERVATIONS_HERE: usize = 128;

/// Names that are remembered to have been asked for: at 64 bytes each, a quarter of a megabyte.
pub const MAX_NAMES_ASKED_FOR: usize = 4096;

/// How long a lookup of sshd or login waits for podyd: below the 250 ms after which the NSS module gives up, so that it hears
/// why.
pub const RESOLVE_DEADLINE: Duration = Duration::from_millis(200);

/// How long the directory may take to reserve something, whoever still waits for it: the next try finds it.
pub const RESERVE_DEADLINE: Duration = Duration::from_secs(10);

/// Questions of lookups that are answered at a time, and as many that wait: sshd has 100 connections that nobody has logged in
/// over yet (MaxStartups).
pub const MAX_RESOLVES: usize = 128;

/// How long podyd-helper may take for an ordinary call: whoever logs in waits for it, and pam_pody for no more than 3 s.
pub const HELPER_DEADLINE: Duration = Duration::from_secs(2);

/// Sessions of this node that are remembered at a time, each of them a process: far more than one machine has people. At some
/// 200 bytes each, 2 MB.
pub const MAX_SESSIONS: usize = 10_000;

/// What PAM says of a session's service, terminal and host, each: a host's name has 253 characters at the most.
pub const MAX_SESSION_TEXT_CHARS: usize = 256;

/// How long a login waits for its session to be written down: it goes on without, on a disk that is busy.
pub const SESSION_WRITTEN_WITHIN: Duration = Duration::from_millis(500);

/// Filesystems with quotas on one node: each is read as a whole now and then, and nobody mounts more that people write to.
pub const MAX_QUOTA_FILESYSTEMS: usize = 16;

/// Calls of podyd-helper at a time: a quarter of the connections that it takes, since calls that were given up may hang there.
pub const MAX_HELPER_CALLS: usize = 8;

/// How long it may take to delete as much of a home as podyd-helper does at a time, which is 2 s: it may be waiting for a disk.
pub const HELPER_REMOVES_WITHIN: Duration = Duration::from_secs(20);

/// How often podyd-helper is asked to go on with one home before it is the turn of others.
pub const MAX_REMOVALS_IN_A_ROW: u32 = 30;

/// For how long podyd-helper is not asked again about somebody of whom it has not answered: the call may still be waiting there, for
/// a file server that is away, and each takes one of few places.
pub const HELPER_UNANSWERED_FOR: Duration = Duration::from_secs(60);

/// The longest pause between tries to put away a home that cannot be: an admin has to see to it.
pub const PUT_AWAY_AGAIN_WITHIN: Duration = Duration::from_secs(3600);

/// Homes below no root that are remembered for `podyctl doctor`: where there are more, it is the roots that are wrong.
pub const MAX_HOMES_ELSEWHERE: usize = 1000;

/// How often podyd looks whose homes are to be put away, where something has changed: nobody waits for it.
pub const DELETIONS_EVERY: Duration = Duration::from_secs(5);

/// How many limits that were not as they should be are told of in one answer: nobody reads more, and they are counted.
pub const MAX_TOLD_CHANGES: usize = 1000;

/// How long podyd-helper may take to limit some slices: it gives systemd 4 s for all of them. A login waits no longer than
/// [`QUOTA_AT_LOGIN`].
pub const SLICES_SET_WITHIN: Duration = Duration::from_secs(5);

/// How long podyd-helper may take to read a page of slices: it gives systemd 4 s, and nobody's login waits for this.
pub const SLICES_READ_WITHIN: Duration = Duration::from_secs(10);

/// How long reading or setting the quotas of everybody on one filesystem may take: a hundred thousand users take seconds.
pub const QUOTAS_DEADLINE: Duration = Duration::from_secs(60);

/// How long one call of podyctl compares and sets limits, homes that it counts included: below [`CALL_DEADLINE`], so that whoever
/// waits is told what becomes of it.
pub const QUOTAS_APPLIED_WITHIN: Duration = Duration::from_secs(25);

/// How many homes that no project quota counts are told of, each by itself.
pub const MAX_TOLD_HOMES: usize = 10;

/// For how long one call of podyctl has homes counted: it asks again, and shows how far that is.
pub const HOMES_COUNTED_FOR: Duration = Duration::from_secs(10);

/// How long a login waits for its user's quotas: what is not in force by then will be soon.
pub const QUOTA_AT_LOGIN: Duration = Duration::from_secs(1);

/// How long podyd-helper may take to end sessions: logind is asked, processes are asked, and killed until there are none. Below
/// [`CALL_DEADLINE`].
pub const SESSIONS_END_WITHIN: Duration = Duration::from_secs(20);

/// How often it is looked whether somebody who has a session has expired, and whether ending sessions succeeds by now.
pub const LOOK_FOR_LOCKED: Duration = Duration::from_secs(60);

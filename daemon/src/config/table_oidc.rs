//! The settings of the OpenID provider: a part of the table.

use super::setting::{Setting, setting};
use super::value::Kind::{Flag, List, OptionalPath, Secret, Text, Time};

/// Every setting of `[oidc]` and the sections below it, in the order of config.toml.
pub(super) static OIDC_SETTINGS: &[Setting] = &[
    setting(
        "oidc.issuer",
        Text(|draft| &mut draft.settings.oidc.issuer),
        "Who the provider is, to the letter as it calls itself; below it, podyd looks for \
         /.well-known/openid-configuration.",
    ).example("\"https://login.example.com\""),
    setting(
        "oidc.client_id",
        Text(|draft| &mut draft.settings.oidc.client_id),
        "What podyd is called at the provider, as a client.",
    ).example("\"pody\""),
    setting(
        "oidc.client_secret",
        Secret(|draft, secret| draft.settings.oidc.client_secret = secret, client_secret),
        "What podyd proves that with; a public client has none. Do not write it down here where others can read this file.",
    ).example("\"${PODY_OIDC_SECRET}\""),
    setting(
        "oidc.client_secret_file",
        Secret(|draft, secret| draft.settings.oidc.client_secret = secret, client_secret),
        "A file that holds the secret, instead: its path, or the name of a credential that systemd hands to \
         podyd (LoadCredential=).",
    ).example("\"/etc/pody/oidc-secret\"").in_file_of("oidc.client_secret").reloading(),
    setting(
        "oidc.scopes",
        Text(|draft| &mut draft.settings.oidc.scopes),
        "What is asked for, a space between the words. Some providers tell of groups only where a scope for them is named.",
    ),
    setting(
        "oidc.groups_claim",
        Text(|draft| &mut draft.settings.oidc.groups_claim),
        "The claim that names the groups of whoever logs in.",
    ),
    setting(
        "oidc.userinfo",
        Flag(|draft| &mut draft.settings.oidc.userinfo),
        "Whether the provider's userinfo endpoint is asked at each login and recheck, too, for what ID tokens leave out: at many \
         providers groups, or e-mail addresses. It counts where this node decides who somebody is: not where that is another \
         node, or the ID token was brought by somebody else (podyctl login --code).",
    ),
    setting(
        "oidc.ca_file",
        OptionalPath(|draft| &mut draft.settings.oidc.ca_file),
        "Authorities (PEM) that may have signed the provider's certificate, beside those that the system trusts.",
    ).example("\"/etc/pody/tls/ca.pem\""),
    setting(
        "oidc.timeout",
        Time(|draft| &mut draft.settings.oidc.timeout, 1..=8),
        "How long the provider may take for one answer.",
    ),
    setting(
        "oidc.recheck_interval",
        Time(|draft| &mut draft.settings.oidc.recheck_interval, 0..=7 * 24 * 60 * 60),
        "How often the provider is asked again about everybody who has been approved there through this node. Whoever it has \
         ended since is refused on this node, with SSH keys and tokens, too, and groups are brought up to date. It takes refresh tokens \
         (the scope offline_access), which are kept sealed in the state directory. \"off\": none is asked for or kept.",
    ),
    setting(
        "oidc.recheck_key",
        Secret(|draft, secret| draft.settings.oidc.recheck_key = secret, recheck_key),
        "What refresh tokens are sealed with, instead of a key that podyd makes and keeps in its state directory: 32 random \
         characters or more. With another key, those that are kept are deleted.",
    ).example("\"${PODY_RECHECK_KEY}\""),
    setting(
        "oidc.recheck_key_file",
        Secret(|draft, secret| draft.settings.oidc.recheck_key = secret, recheck_key),
        "A file that holds that key, instead: its path, or the name of a credential that systemd hands to podyd \
         (LoadCredentialEncrypted=).",
    ).example("\"recheck-key\"").in_file_of("oidc.recheck_key").reloading(),
    setting(
        "oidc.login.services",
        List(|draft| &mut draft.settings.oidc_login.services),
        "The PAM services through which people log in at the provider: those where somebody sees an address and a code, and \
         answers. In any other, whoever has no password here is refused at once. Without \"sudo\" and \"sudo-i\", \
         nobody uses sudo so.",
    ),
    setting(
        "oidc.login.qr",
        Flag(|draft| &mut draft.settings.oidc_login.qr),
        "Whether the address is drawn as a QR code, too, where it is short enough for a terminal. Terminals that do not know \
         UTF-8 show it as nonsense.",
    ),
    setting(
        "oidc.login.relogin_window",
        Time(|draft| &mut draft.settings.oidc_login.relogin_window, 0..=12 * 60 * 60),
        "How long whoever was approved at the provider may log in to this node again by a code, which is shown once, at the \
         end of that login, instead of going to the provider each time; the provider may be away meanwhile. \
         \"off\", or at most 12h: keep it shorter than the provider's own sessions.",
    ),
    setting(
        "oidc.login.relogin_services",
        List(|draft| &mut draft.settings.oidc_login.relogin_services),
        "The PAM services, out of those above, that show such a code and take it. In any other, such as su and sudo, \
         the provider is asked each time.",
    ),
    setting(
        "oidc.users.create",
        Flag(|draft| &mut draft.settings.oidc_users.create),
        "Whether somebody without an account here gets one at the first login. Who that may be is said by the allow_ \
         settings; without any of them it is nobody.",
    ),
    setting(
        "oidc.users.allow_everybody",
        Flag(|draft| &mut draft.settings.oidc_users.allow_everybody),
        "Everybody whom the provider knows gets an account.",
    ),
    setting(
        "oidc.users.allow_groups",
        List(|draft| &mut draft.settings.oidc_users.allow_groups),
        "Whoever is in one of these groups gets an account: the provider's names, to the letter.",
    ),
    setting(
        "oidc.users.allow_domains",
        List(|draft| &mut draft.settings.oidc_users.allow_domains),
        "Whoever has an e-mail address in one of these domains gets an account, if the provider says that it has verified it.",
    ),
    setting(
        "oidc.users.allow_claims",
        List(|draft| &mut draft.settings.oidc_users.allow_claims),
        "Whoever has one of these claims gets an account: \"department=physics\", say.",
    ),
    setting(
        "oidc.users.name_claim",
        Text(|draft| &mut draft.settings.oidc_users.name_claim),
        "The claim that is the login name. One that is no valid login name is refused, and not made into one: \"Ada\" is \
         not \"ada\". A name inside another claim is written with a dot between them.",
    ),
    setting(
        "oidc.users.name_suffix",
        Text(|draft| &mut draft.settings.oidc_users.name_suffix),
        "What is cut off the end of that claim. Whoever's claim ends otherwise gets no account.",
    ).example("\"@example.com\""),
    setting(
        "oidc.users.shell_claim",
        Text(|draft| &mut draft.settings.oidc_users.shell_claim),
        "The claim that is a new user's login shell. Where there is none, it is users.shell.",
    ).example("\"login_shell\""),
    setting(
        "oidc.users.groups",
        List(|draft| &mut draft.settings.oidc_users.groups),
        "Groups here that everybody is in who logs in at the provider.",
    ),
    setting(
        "oidc.users.group_map",
        List(|draft| &mut draft.settings.oidc_users.group_map),
        "Which groups of the provider are groups here: \"Cluster Users=cluster\" one as another, \"physics\" one by its own \
         name, \"*\" all whose names are valid here. At each login people join and leave these groups as the provider says; \
         what an admin has granted stays. Groups whose names give rights on a node, such as sudo, are never given.",
    ),
];

fn recheck_key(text: &str) -> Result<(), String> {
    match text.chars().count() {
        32.. => Ok(()),
        _ => Err("must have 32 random characters or more, such as: openssl rand -base64 32".into()),
    }
}

/// RFC 6749, appendix A.2, says visible ASCII; some providers know no such bounds.
fn client_secret(text: &str) -> Result<(), String> {
    if !text.is_empty() && !text.contains(char::is_control) {
        return Ok(());
    }
    Err("must be the secret of the client: text in one line; leave the setting out for a public client"
        .into())
}

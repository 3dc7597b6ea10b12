//! What every backend must do, told once: generic stories over [`Directory`], run against each backend on
//! its real database. A new backend adds one `impl Backend` and one `conformance!` line.

mod arrivals;
mod credentials;
mod feed;
mod groups;
mod identities;
mod ids;
mod import;
mod races;
mod remote;
mod reservations;
mod tokens;
mod users;

use crate::directory::Directory;
use crate::store::SqlDirectory;
use crate::testing::Folder;

/// Where a backend keeps its data during one test.
trait Backend: Sized {
    type Directory: Directory;

    /// A new, empty database.
    async fn fresh() -> Self;

    /// The database, opened again each time: what was committed before is there.
    async fn open(&self) -> Self::Directory;
}

/// A SQLite file.
struct Sqlite(Folder);

impl Backend for Sqlite {
    type Directory = SqlDirectory;

    async fn fresh() -> Self {
        Self(Folder::new())
    }

    async fn open(&self) -> SqlDirectory {
        SqlDirectory::sqlite(&self.0.join("directory.sqlite")).await.unwrap()
    }
}

/// A database of its own on a server that the tests start.
macro_rules! on_server {
    ($backend:ident, $server:path, $open:path) => {
        struct $backend(String);

        impl Backend for $backend {
            type Directory = SqlDirectory;

            async fn fresh() -> Self {
                let database = Self($server().await.fresh_database().await);
                database.open().await.migrate().await.unwrap();
                database
            }

            async fn open(&self) -> SqlDirectory {
                $open(&self.0, CONNECTIONS).unwrap()
            }
        }
    };
}

#[cfg(feature = "backend-postgres")]
on_server!(Postgres, servers::postgres, SqlDirectory::postgres);
// `make test-mysql` brings it, and nothing else does.
#[cfg(feature = "backend-mysql")]
on_server!(MySql, servers::mysql, SqlDirectory::mysql);
#[cfg(feature = "backend-mysql")]
on_server!(MariaDb, servers::mariadb, SqlDirectory::mysql);

/// A libSQL server of its own.
#[cfg(feature = "backend-libsql")]
struct Libsql(servers::Hrana);

#[cfg(feature = "backend-libsql")]
impl Backend for Libsql {
    type Directory = SqlDirectory;

    async fn fresh() -> Self {
        let server = Self(servers::Hrana::start(servers::hrana::Options::default()));
        server.open().await.migrate().await.unwrap();
        server
    }

    async fn open(&self) -> SqlDirectory {
        let endpoint = crate::store::hrana::Endpoint { url: self.0.url(), auth_token: None };
        SqlDirectory::libsql(&endpoint, None).unwrap()
    }
}

/// A password's verifier, which nobody checks anything against.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuJm2Xo8hLzz5Z3rBq9Y0J7v0Qm1y2l2G";

/// Connections of one directory; a story opens two at the most.
#[cfg(any(feature = "backend-postgres", feature = "backend-mysql"))]
const CONNECTIONS: u32 = 16;

/// Makes a test of each story on one backend.
macro_rules! run {
    ($backend:ty; $($topic:ident: $($story:ident),* $(,)?;)*) => {
        $(mod $topic {
            use super::super::*;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::super::$topic::$story(&<$backend>::fresh().await).await;
            })*
        })*
    };
}

macro_rules! conformance {
    ($module:ident, $backend:ty) => {
        mod $module {
            run! {
                $backend;
                users:
                    a_user_is_found_by_name_and_id_with_a_private_group,
                    a_name_is_one_users_and_one_groups,
                    a_user_may_have_the_name_of_an_existing_primary_group,
                    everything_about_a_user_can_be_given_and_changed,
                    text_survives_as_it_is,
                    a_rename_keeps_all_that_hangs_on_the_user_and_holds_the_old_name_back,
                    whoever_was_renamed_may_have_the_old_name_again,
                    a_name_that_was_given_again_is_its_second_holders_to_return_to,
                    nobody_is_renamed_to_what_is_anothers_or_local,
                    a_deleted_user_leaves_nothing_but_a_name_that_is_kept_back,
                    an_update_of_what_has_changed_meanwhile_is_refused,
                    whoever_does_not_exist_is_not_found,
                    pages_are_in_the_order_of_names;
                ids:
                    allocation_passes_over_local_and_reserved_ids,
                    exhaustion_is_told_in_words_and_leaves_nothing_behind,
                    an_id_that_was_named_at_the_top_leaves_those_below_it_free,
                    named_ids_are_taken_inside_the_accepted_ranges_alone,
                    an_id_is_never_given_twice,
                    uids_and_gids_are_two_spaces,
                    a_batch_may_name_some_ids_and_leave_others_open;
                groups:
                    memberships_begin_and_end_and_saying_so_twice_changes_nothing,
                    one_unknown_user_and_nobody_joins,
                    nobody_joins_a_private_group,
                    a_group_is_not_deleted_while_it_is_somebodys_primary_group,
                    a_user_is_not_deleted_while_others_live_in_the_private_group,
                    a_private_group_goes_with_its_user_alone,
                    a_deleted_group_leaves_nobody_in_it_and_its_name_kept_back,
                    groups_are_listed_with_or_without_private_ones,
                    a_change_of_members_is_a_change_of_the_group;
                credentials:
                    a_password_is_set_replaced_and_taken_away,
                    a_hash_is_upgraded_only_while_it_is_what_was_checked,
                    a_password_goes_with_its_user;
                import:
                    each_record_is_taken_or_refused_by_itself,
                    records_of_a_batch_see_those_before_them,
                    a_dry_run_reports_the_same_and_leaves_nothing,
                    all_or_nothing_means_nothing_when_one_record_is_refused,
                    a_batch_of_which_nothing_is_taken_is_no_change,
                    two_thousand_users_come_in_one_batch;
                tokens:
                    a_token_is_found_by_its_hash_with_all_that_was_said_of_it,
                    a_token_is_a_change_and_its_use_is_none,
                    a_revoked_token_is_remembered_as_one,
                    tokens_go_with_their_owner_and_come_back_for_nobody,
                    whoever_is_locked_has_no_tokens_and_gets_none_back,
                    whoever_is_an_admin_no_more_keeps_what_users_may_have,
                    an_owner_has_one_token_of_a_name_and_a_hundred_at_the_most,
                    tokens_are_listed_by_owner_and_name_a_page_at_a_time,
                    whoever_is_deleted_while_a_token_is_made_leaves_none;
                arrivals:
                    whoever_comes_for_the_first_time_becomes_a_user,
                    fifty_first_logins_of_one_person_make_one_user,
                    fifty_people_who_come_at_once_get_fifty_ids,
                    memberships_follow_the_claims_and_those_of_admins_stay,
                    groups_that_cannot_be_had_are_told_of_and_keep_nobody_out,
                    an_account_of_that_name_is_nobodys_to_take_over,
                    whoever_is_locked_expired_or_deleted_stays_out,
                    a_rename_here_or_at_the_provider_keeps_the_account,
                    subjects_that_look_alike_are_other_people,
                    nobody_comes_beyond_the_cap_or_under_a_local_name;
                reservations:
                    whoever_comes_gets_what_was_kept,
                    what_is_kept_is_given_to_nobody_else,
                    asking_again_for_a_name_gets_the_same_for_longer,
                    what_has_run_out_goes_back_and_whoever_was_shown_it_is_refused,
                    fifty_nodes_that_reserve_one_name_are_given_one_id,
                    names_that_nobody_can_have_are_not_kept,
                    ids_that_come_of_names_are_the_same_again_and_nobody_elses;
                identities:
                    an_identity_is_linked_to_one_user_until_it_is_taken_away,
                    identities_are_listed_with_their_owners_living_or_not,
                    a_deleted_persons_identity_is_the_new_accounts_once_it_is_linked;
                feed:
                    every_kind_of_change_appears,
                    nothing_has_changed_since_now,
                    a_cursor_of_elsewhere_starts_over,
                    a_revision_that_came_out_differently_starts_over,
                    changes_come_with_the_state_that_they_led_to,
                    too_much_to_follow_starts_over,
                    the_present_holds_the_living_and_the_tombstones,
                    holders_of_names_and_ids_come_with_their_memberships,
                    a_dump_is_what_reads_say,
                    a_restart_keeps_everything;
                races:
                    forty_creators_never_exceed_the_cap,
                    a_cap_counts_whom_others_create_and_delete,
                    fifty_creators_get_an_id_and_a_revision_each,
                    thirty_writers_of_one_user_lose_nothing,
                    paging_visits_everybody_once_while_others_write,
                    a_dump_is_of_one_moment_while_others_write,
                    a_user_who_is_deleted_while_joining_is_in_no_group;
            }
        }
    };
}

conformance!(sqlite, Sqlite);
#[cfg(feature = "backend-libsql")]
conformance!(libsql, Libsql);
#[cfg(feature = "backend-postgres")]
conformance!(postgres, Postgres);
#[cfg(feature = "backend-mysql")]
conformance!(mariadb, MariaDb);
#[cfg(feature = "backend-mysql")]
conformance!(mysql, MySql);

/// A service over HTTP, seen through the replica of a node that consumes it. What is left out is about verifiers, which never
/// leave the service, and about rules on new ids and numbers of users, which are the service's and not those of whoever asks.
mod over_http {
    run! {
        crate::store::conformance::remote::Remote;
        users:
            a_user_is_found_by_name_and_id_with_a_private_group,
            a_name_is_one_users_and_one_groups,
            a_user_may_have_the_name_of_an_existing_primary_group,
            everything_about_a_user_can_be_given_and_changed,
            a_rename_keeps_all_that_hangs_on_the_user_and_holds_the_old_name_back,
            whoever_was_renamed_may_have_the_old_name_again,
            a_name_that_was_given_again_is_its_second_holders_to_return_to,
            nobody_is_renamed_to_what_is_anothers_or_local,
            a_deleted_user_leaves_nothing_but_a_name_that_is_kept_back,
            an_update_of_what_has_changed_meanwhile_is_refused,
            pages_are_in_the_order_of_names;
        ids:
            an_id_is_never_given_twice;
        groups:
            memberships_begin_and_end_and_saying_so_twice_changes_nothing,
            one_unknown_user_and_nobody_joins,
            nobody_joins_a_private_group,
            a_group_is_not_deleted_while_it_is_somebodys_primary_group,
            a_user_is_not_deleted_while_others_live_in_the_private_group,
            a_private_group_goes_with_its_user_alone,
            a_deleted_group_leaves_nobody_in_it_and_its_name_kept_back,
            groups_are_listed_with_or_without_private_ones,
            a_change_of_members_is_a_change_of_the_group;
        import:
            each_record_is_taken_or_refused_by_itself,
            records_of_a_batch_see_those_before_them,
            a_dry_run_reports_the_same_and_leaves_nothing,
            all_or_nothing_means_nothing_when_one_record_is_refused,
            a_batch_of_which_nothing_is_taken_is_no_change;
        tokens:
            a_token_is_found_by_its_hash_with_all_that_was_said_of_it,
            a_revoked_token_is_remembered_as_one,
            tokens_go_with_their_owner_and_come_back_for_nobody,
            whoever_is_locked_has_no_tokens_and_gets_none_back,
            whoever_is_an_admin_no_more_keeps_what_users_may_have,
            an_owner_has_one_token_of_a_name_and_a_hundred_at_the_most,
            tokens_are_listed_by_owner_and_name_a_page_at_a_time,
            whoever_is_deleted_while_a_token_is_made_leaves_none;
        identities:
            an_identity_is_linked_to_one_user_until_it_is_taken_away,
            identities_are_listed_with_their_owners_living_or_not;
        feed:
            every_kind_of_change_appears,
            nothing_has_changed_since_now,
            a_cursor_of_elsewhere_starts_over,
            a_revision_that_came_out_differently_starts_over,
            changes_come_with_the_state_that_they_led_to,
            too_much_to_follow_starts_over,
            the_present_holds_the_living_and_the_tombstones,
            holders_of_names_and_ids_come_with_their_memberships,
            a_dump_is_what_reads_say;
        races:
            fifty_creators_get_an_id_and_a_revision_each,
            thirty_writers_of_one_user_lose_nothing,
            paging_visits_everybody_once_while_others_write,
            a_dump_is_of_one_moment_while_others_write,
            a_user_who_is_deleted_while_joining_is_in_no_group;
    }
}

/// The sentence of a refusal, which must be one of this kind.
macro_rules! refusal {
    ($result:expr, $variant:ident) => {
        match $result {
            Err($crate::directory::Error::$variant(message)) => message,
            other => panic!("expected {}, got {other:?}", stringify!($variant)),
        }
    };
}

use refusal;

mod accounts;
mod bearers;
mod codes;
mod device_logins;
mod homes;
mod htpasswd;
mod logins;
#[cfg(feature = "backend-postgres")]
mod offline;
mod oidc;
mod oidc_only;
mod pody04;
mod provider_codes;
mod quotas;
mod rechecks;
mod refused;
mod relogin;
mod remote;
mod reservations;
mod rights;
mod sessions;
mod setup;
mod tokens;

use zeroize::Zeroizing;

use super::{Caller, Decision, Login, NewAccount, PasswordChange, Step, Verdict};
use crate::directory::{Directory, Result};
use crate::testing::{TestNode, name, secret};

const PASSWORD: &str = "correct horse";
const WRONG: &str = "wrong horse battery";

fn password(text: &str) -> Option<Zeroizing<String>> {
    Some(secret(text))
}

/// A node with the user ada and her password.
async fn node_with_ada() -> TestNode {
    let node = TestNode::start().await;
    create(&node, "ada", NewAccount { password: password(PASSWORD), ..NewAccount::default() }).await;
    node
}

async fn create<D: Directory>(node: &TestNode<D>, user: &str, account: NewAccount) {
    node.service.create_user(&Caller::Root, name(user), account).await.unwrap();
}

fn login(user: &str) -> Login {
    Login { user: user.to_owned(), service: "sshd".to_owned(), rhost: None }
}

/// A whole login, as PAM does it for root, of somebody who types the same wherever they are asked.
async fn log_in<D: Directory>(node: &TestNode<D>, login: Login, typed: &str) -> Decision {
    let mut step = node.service.begin_login(&Caller::Root, login).await.unwrap();
    loop {
        let (login, answer) = match &step {
            Step::AskPassword { login }
            | Step::AskCode { login }
            | Step::AskCodeOrEnter { login }
            | Step::AskEnter { login, .. } => (login, typed),
            Step::Wait { login } => (login, ""),
            Step::Done(_) => return decided(step),
        };
        step = node.service.answer_login(&Caller::Root, login, secret(answer)).await.unwrap();
    }
}

fn decided(step: Step) -> Decision {
    match step {
        Step::Done(decision) => decision,
        step => panic!("it is not decided: {step:?}"),
    }
}

async fn verdict<D: Directory>(node: &TestNode<D>, user: &str, password: &str) -> Verdict {
    log_in(node, login(user), password).await.verdict
}

async fn change_own_password(node: &TestNode, old: Option<&str>, new: Option<&str>) -> Result<u64> {
    let change = PasswordChange { old: old.map(secret), new: new.map(secret) };
    node.service.set_password(&Caller::User(name("ada")), name("ada"), change).await
}

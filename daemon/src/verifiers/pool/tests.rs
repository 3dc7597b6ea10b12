use super::*;
use crate::verifiers::HashKind;

const PASSWORD: &str = "correct horse";
/// openssl passwd -apr1 -salt 12345678 x
const APR1_OF_X: &str = "$apr1$12345678$zbBEMgfXu4mAHPrplrtNt.";

fn ada() -> Name {
    Name::new(b"ada").unwrap()
}

fn cheap() -> Argon2Parameters {
    Argon2Parameters::new(64, 1, 1).unwrap()
}

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

async fn hash_of(pool: &Pool, password: &str) -> PasswordHash {
    pool.hash(NewPassword::parse(secret(password), 1).unwrap()).await.unwrap()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_right_password_is_right_and_the_wrong_one_wrong() {
    let pool = Pool::new(cheap(), 1);
    let hash = hash_of(&pool, PASSWORD).await;
    let verified = pool.verify(&ada(), Some(hash.clone()), secret(PASSWORD)).await;
    assert_eq!(verified, Ok(Verified { ok: true, rehash: None }));
    let verified = pool.verify(&ada(), Some(hash), secret("wrong horse")).await;
    assert_eq!(verified, Ok(Verified { ok: false, rehash: None }));
}

#[tokio::test]
async fn nobody_gets_in_without_a_hash() {
    let pool = Pool::new(cheap(), 1);
    for password in [PASSWORD, "", "x"] {
        assert_eq!(
            pool.verify(&ada(), None, secret(password)).await,
            Ok(Verified { ok: false, rehash: None })
        );
    }
}

#[tokio::test]
async fn an_imported_hash_is_replaced_at_the_first_login() {
    let pool = Pool::new(cheap(), 1);
    let imported = PasswordHash::parse(APR1_OF_X).unwrap();
    let verified = pool.verify(&ada(), Some(imported.clone()), secret("y")).await.unwrap();
    assert_eq!(verified, Verified { ok: false, rehash: None });
    let verified = pool.verify(&ada(), Some(imported), secret("x")).await.unwrap();
    let rehash = verified.rehash.unwrap();
    assert!(verified.ok && !rehash.needs_rehash(cheap()));
    assert_eq!(pool.verify(&ada(), Some(rehash), secret("x")).await, Ok(Verified { ok: true, rehash: None }));
}

#[tokio::test]
async fn new_parameters_reach_new_hashes_at_once_and_old_ones_at_the_next_login() {
    let pool = Pool::new(cheap(), 1);
    let old = hash_of(&pool, PASSWORD).await;
    let dearer = Argon2Parameters::new(128, 2, 1).unwrap();
    pool.use_parameters(dearer);
    assert!(!hash_of(&pool, PASSWORD).await.needs_rehash(dearer));
    let verified = pool.verify(&ada(), Some(old), secret(PASSWORD)).await.unwrap();
    assert!(verified.ok && !verified.rehash.unwrap().needs_rehash(dearer));
}

#[tokio::test]
async fn two_hashes_of_one_password_differ() {
    let pool = Pool::new(cheap(), 1);
    assert_ne!(hash_of(&pool, PASSWORD).await, hash_of(&pool, PASSWORD).await);
}

#[tokio::test(start_paused = true)]
async fn failures_are_answered_in_whole_steps_whoever_fails() {
    let pool = Pool::new(cheap(), 1);
    let argon2id = hash_of(&pool, PASSWORD).await;
    let imported = PasswordHash::parse(APR1_OF_X).unwrap();
    for hash in [None, Some(argon2id.clone()), Some(imported)] {
        let began = Instant::now();
        assert!(!pool.verify(&ada(), hash, secret("wrong horse")).await.unwrap().ok);
        let took = began.elapsed();
        assert!(FAILURE_STEP <= took && took < FAILURE_STEP + Duration::from_millis(2), "{took:?}");
    }
    let began = Instant::now();
    assert!(pool.verify(&ada(), Some(argon2id), secret(PASSWORD)).await.unwrap().ok);
    assert!(began.elapsed() < FAILURE_STEP, "who is right does not wait");
}

#[tokio::test]
async fn sixty_four_logins_at_once_share_two_memories() {
    let pool = Pool::new(Argon2Parameters::DEFAULT, 2);
    let hash = hash_of(&pool, PASSWORD).await;
    let logins: Vec<_> = (0..64)
        .map(|i| {
            let (pool, hash) = (pool.clone(), hash.clone());
            let password = if i % 8 == 0 { "wrong horse" } else { PASSWORD };
            tokio::spawn(
                async move { (i, pool.verify(&ada(), Some(hash), secret(password)).await.unwrap().ok) },
            )
        })
        .collect();
    for login in logins {
        let (i, ok) = login.await.unwrap();
        assert_eq!(ok, i % 8 != 0);
    }
    // A memory that was ever taken is put back: there were never more of them.
    assert!((1..=2).contains(&lock(&pool.0.memories).len()));
    assert_eq!(pool.0.slots.available_permits(), 2);
}

#[tokio::test]
async fn whoever_comes_after_256_waiting_is_told_busy_at_once() {
    let pool = Pool::new(cheap(), 1);
    let hash = hash_of(&pool, PASSWORD).await;
    let slot = pool.0.slots.acquire().await.unwrap();
    let waiting: Vec<_> = (0..MAX_WAITING_VERIFICATIONS)
        .map(|_| {
            let (pool, hash) = (pool.clone(), hash.clone());
            tokio::spawn(async move { pool.verify(&ada(), Some(hash), secret(PASSWORD)).await })
        })
        .collect();
    until("all of them wait", || pool.0.waiting.available_permits() == 0).await;
    assert_eq!(pool.verify(&ada(), Some(hash.clone()), secret(PASSWORD)).await, Err(Busy));
    drop(slot);
    for login in waiting {
        assert!(login.await.unwrap().unwrap().ok);
    }
    assert!(pool.verify(&ada(), Some(hash), secret(PASSWORD)).await.unwrap().ok);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_ten_seconds() {
    let pool = Pool::new(cheap(), 1);
    let _slot = pool.0.slots.acquire().await.unwrap();
    let began = Instant::now();
    assert_eq!(pool.verify(&ada(), None, secret(PASSWORD)).await, Err(Busy));
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(pool.0.waiting.available_permits(), MAX_WAITING_VERIFICATIONS, "the place is free again");
}

#[tokio::test]
async fn a_login_that_is_given_up_leaves_its_slot_to_the_next() {
    let pool = Pool::new(Argon2Parameters::DEFAULT, 1);
    let hash = hash_of(&pool, PASSWORD).await;
    let given_up = tokio::spawn({
        let pool = pool.clone();
        async move { pool.verify(&ada(), None, secret(PASSWORD)).await }
    });
    until("it has the slot", || pool.0.slots.available_permits() == 0).await;
    given_up.abort();
    assert!(pool.verify(&ada(), Some(hash), secret(PASSWORD)).await.unwrap().ok);
    assert_eq!(lock(&pool.0.memories).len(), 1);
}

fn argon2id_of(memory_kib: u32) -> PasswordHash {
    let rest = "$c29tZXNhbHRzb21lc2FsdA$uL2hQzJmxaz0Tfm2KK6uNjA0+UvbrHBEBwVmJYrNXCE";
    PasswordHash::parse(&format!("$argon2id$v=19$m={memory_kib},t=1,p=1{rest}")).unwrap()
}

/// mkpasswd -m yescrypt -R 11 takes a whole GiB.
#[test]
fn a_hash_may_take_its_part_of_the_memory_and_no_more() {
    let costliest_yescrypt =
        PasswordHash::parse("$y$jFT$I2HW/REgDBoa6oP2zWqc61$CcI3kf1cWdX8ps8PMfIuO1vQKt39th7Xh6GVrwLXx21")
            .unwrap();
    let mib = |mib: u32| argon2id_of(1024 * mib);
    for (slots, share_mib) in [(1, 1024), (2, 512), (4, 256), (64, 64)] {
        let pool = Pool::new(cheap(), slots);
        assert_eq!(pool.has_room_for(&mib(share_mib)), Ok(()), "{slots}");
        assert_eq!(pool.has_room_for(&PasswordHash::parse(APR1_OF_X).unwrap()), Ok(()), "{slots}");
        assert_eq!(pool.has_room_for(&costliest_yescrypt).is_ok(), slots == 1);
        if slots > 1 {
            let share_mib = u64::from(share_mib);
            let too_large = HashError::TooLarge { kind: HashKind::Argon2id, mib: share_mib + 1, share_mib };
            assert_eq!(pool.has_room_for(&argon2id_of(1024 * share_mib as u32 + 1)), Err(too_large));
        }
    }
    let generous = Pool::new(Argon2Parameters::new(128 * 1024, 1, 1).unwrap(), 64);
    assert_eq!(generous.has_room_for(&mib(128)), Ok(()), "what this node makes itself, it takes");
}

#[tokio::test(start_paused = true)]
async fn a_stored_hash_that_takes_several_parts_of_the_memory_has_as_many_slots() {
    let pool = Pool::new(cheap(), 4);
    let mib = |mib: u32| argon2id_of(1024 * mib);
    assert_eq!([64, 256, 257, 512, 1024].map(|size| pool.0.slots_for(&mib(size))), [1, 1, 2, 2, 4]);
    let _others = pool.0.slots.acquire_many(3).await.unwrap();
    assert!(pool.verify(&ada(), None, secret(PASSWORD)).await.is_ok());
    assert_eq!(
        pool.verify(&ada(), Some(mib(512)), secret(PASSWORD)).await,
        Err(Busy),
        "one slot is not enough"
    );
    assert_eq!(pool.0.slots.available_permits(), 1);
}

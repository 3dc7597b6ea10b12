//! Real servers for tests: each is started by the test that needs it, as an ordinary user in a directory of its own, and
//! ends with it.

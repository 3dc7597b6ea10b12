//! The client against services that behave, and such as do not.

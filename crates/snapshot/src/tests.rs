//! The format against a model, against corruption, and on a real filesystem.

mod corrupt;
mod model;
mod publishing;

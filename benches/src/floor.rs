//! Writes the file of `floor/floor.c`, in the layout of `floor/floor.h`.

use std::fs;
use std::io;
use std::path::Path;

use identity::Name;

use crate::population::{PRIMARY_GROUP, Person, Population, Team};

/// Magic, and four tables of two words.
const HEADER_BYTES: usize = 8 + 4 * 16;

/// One table: hash, tag and record of each key.
#[derive(Default)]
struct Keys(Vec<(u32, u32, u32)>);

/// Writes the file for everybody of `population`.
pub fn write(population: Population, path: &Path) -> io::Result<()> {
    let mut file = vec![0; HEADER_BYTES];
    let (mut user_names, mut user_ids, mut group_names, mut group_ids) =
        (Keys::default(), Keys::default(), Keys::default(), Keys::default());
    for person in population.people() {
        let record = user(&mut file, &person);
        user_names.name(person.name, record);
        user_ids.id(person.uid, record);
    }
    for team in population.teams() {
        let record = group(&mut file, &team);
        group_names.name(team.name, record);
        group_ids.id(team.gid, record);
    }
    file[..8].copy_from_slice(b"FLOORMAP");
    for (index, keys) in [user_names, user_ids, group_names, group_ids].into_iter().enumerate() {
        let (offset, mask) = keys.append(&mut file);
        let at = 8 + index * 16;
        file[at..at + 8].copy_from_slice(&offset.to_ne_bytes());
        file[at + 8..at + 16].copy_from_slice(&mask.to_ne_bytes());
    }
    fs::write(path, file)
}

fn user(file: &mut Vec<u8>, person: &Person) -> u32 {
    let (name, gecos, home) = (person.name.to_string(), person.gecos(), person.home());
    let fields = [name.as_str(), "*", &gecos, &home, "/bin/bash"];
    let ends: Vec<u16> = fields
        .iter()
        .scan(0, |end, field| {
            *end += field.len() as u16 + 1;
            Some(*end)
        })
        .collect();
    let groups = person.shared_groups();
    let record = begin(file);
    file.extend(person.uid.to_ne_bytes());
    file.extend(PRIMARY_GROUP.to_ne_bytes());
    ends[1..].iter().for_each(|end| file.extend(end.to_ne_bytes()));
    file.extend((groups.len() as u32).to_ne_bytes());
    let text = file.len();
    fields.iter().for_each(|field| string(file, field));
    file.resize(text + (file.len() - text).next_multiple_of(4), 0);
    groups.iter().for_each(|gid| file.extend(gid.0.to_ne_bytes()));
    record
}

fn group(file: &mut Vec<u8>, team: &Team) -> u32 {
    let mut text = Vec::new();
    string(&mut text, team.name.as_str());
    let name_length = text.len() as u32;
    string(&mut text, "*");
    let mut offsets = Vec::new();
    for member in &team.members {
        offsets.push(text.len() as u32);
        string(&mut text, member.as_str());
    }
    let record = begin(file);
    let head = [team.gid, offsets.len() as u32, text.len() as u32, name_length];
    head.iter().chain(&offsets).for_each(|word| file.extend(word.to_ne_bytes()));
    file.extend(text);
    record
}

/// Records begin at a multiple of 64, the length of a cache line, and are named by an eighth of their offset.
fn begin(file: &mut Vec<u8>) -> u32 {
    file.resize(file.len().next_multiple_of(64), 0);
    u32::try_from(file.len() / 8).expect("less than 32 GiB")
}

fn string(to: &mut Vec<u8>, text: &str) {
    to.extend(text.as_bytes());
    to.push(0);
}

impl Keys {
    fn name(&mut self, name: Name, record: u32) {
        let hash = name
            .as_bytes()
            .iter()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        let hash = hash ^ hash >> 15;
        self.0.push((hash, hash, record));
    }

    fn id(&mut self, id: u32, record: u32) {
        let product = id.wrapping_mul(0x9e37_79b1);
        self.0.push((product ^ product >> 15, id, record));
    }

    /// Appends the slots, half of them empty at the least; says where, and the mask.
    fn append(self, file: &mut Vec<u8>) -> (u64, u64) {
        let count = (self.0.len() * 2).next_power_of_two();
        let mut slots = vec![(0_u32, 0_u32); count];
        for (hash, tag, record) in self.0 {
            let mut at = hash as usize & (count - 1);
            while slots[at].1 != 0 {
                at = (at + 1) & (count - 1);
            }
            slots[at] = (tag, record);
        }
        file.resize(file.len().next_multiple_of(64), 0);
        let offset = file.len() as u64;
        for (tag, record) in slots {
            file.extend(tag.to_ne_bytes());
            file.extend(record.to_ne_bytes());
        }
        (offset, count as u64 - 1)
    }
}

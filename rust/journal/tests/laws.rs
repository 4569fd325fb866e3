//! Laws of the journal: what was written is read back, what was damaged is noticed, what was acknowledged is there.
#![allow(missing_docs, clippy::unwrap_used)]

use proptest::prelude::*;
use tapeloom_journal::{GENESIS, Group, Kind, Record, Records};

pub fn record() -> impl Strategy<Value = Record> {
    (
        (
            1_u8..=12,
            any::<u8>(),
            any::<bool>(),
            any::<u32>(),
            any::<i32>(),
        ),
        (any::<i64>(), any::<i64>(), any::<i64>()),
        any::<[u64; 5]>(),
        "\\PC{0,12}",
    )
        .prop_map(|(small, times, bits, text)| Record {
            kind: Kind::from_byte(small.0).unwrap(),
            flags: small.1,
            joined: small.2,
            symbol: small.3,
            extra: small.4,
            arrival: times.0,
            ts: times.1,
            interval: times.2,
            values: bits.map(f64::from_bits),
            text,
        })
}

fn records() -> impl Strategy<Value = Records> {
    prop::collection::vec(record(), 1..40).prop_map(|all| {
        let mut found = Records::default();
        all.into_iter().for_each(|record| found.push(record));
        found
    })
}

/// Equal to the last bit: a NaN is no reason to lose one.
fn shown(records: &Records) -> String {
    let bits = records.values.iter().flatten().map(|value| value.to_bits());
    let mut plain = records.clone();
    plain.values = Default::default();
    format!("{plain:?} {:?}", bits.collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn a_group_gives_back_its_records_to_the_last_bit(records in records()) {
        let group = Group::new(1, 1, &records, GENESIS).unwrap();
        prop_assert_eq!(shown(&group.open().unwrap()), shown(&records));
    }

    #[test]
    fn a_flipped_bit_of_a_group_is_noticed(records in records(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut group = Group::new(1, 1, &records, GENESIS).unwrap();
        let at = at.index(group.payload.len());
        group.payload[at] ^= 1 << bit;
        prop_assert!(group.open().is_err());
    }

    #[test]
    fn a_cut_group_is_noticed(records in records(), at in any::<prop::sample::Index>()) {
        let mut group = Group::new(1, 1, &records, GENESIS).unwrap();
        let at = at.index(group.payload.len());
        group.payload.truncate(at);
        prop_assert!(group.open().is_err());
    }

    #[test]
    fn numbers_of_a_group_cannot_be_changed(records in records(), which in 0..4, by in 1_u32..9) {
        let mut group = Group::new(3, 7, &records, GENESIS).unwrap();
        match which {
            0 => group.batch_seq += u64::from(by),
            1 => group.first_seq += u64::from(by),
            2 => group.n += by,
            _ => group.prev_hash[0] ^= 1,
        }
        prop_assert!(group.open().is_err());
    }
}

//! Bars of a frame of a vendor's stream, read from its MessagePack at once.
//!
//! Most of what such a stream sends are minute bars. As a dict of values for each, checked one after another, they take
//! longer to read than to take into a session. Whatever else a frame holds is read that way.

use pyo3::prelude::*;
use rmp::Marker;
use rmp::decode::{
    read_array_len, read_ext_meta, read_f32, read_f64, read_int, read_map_len, read_str_from_slice,
};
use tapeloom_core::bar::Bar;
use tapeloom_core::time::Interval;

use crate::bar::PyBarData;
use crate::convert::{is_instant, is_plain_symbol};

/// The extension type of a timestamp.
const TIMESTAMP: i8 = -1;
const SECOND: i64 = 1_000_000_000;
/// No bar takes fewer bytes: eight keys with their values.
const LEAST_BYTES: usize = 32;

/// See `_core.pyi`.
#[pyfunction]
pub(crate) fn bars_of_frame<'py>(
    py: Python<'py>,
    frame: &[u8],
) -> PyResult<Option<Vec<Bound<'py, PyBarData>>>> {
    let mut rest = frame;
    let Ok(count) = read_array_len(&mut rest) else {
        return Ok(None);
    };
    let count = count as usize;
    if count > rest.len() / LEAST_BYTES {
        return Ok(None);
    }
    let mut bars = Vec::with_capacity(count);
    for _ in 0..count {
        let Some((symbol, bar)) = read_bar(&mut rest) else {
            return Ok(None);
        };
        bars.push(PyBarData::given(py, symbol, bar, Interval::ONE_MINUTE)?);
    }
    Ok(rest.is_empty().then_some(bars))
}

/// The next message, as symbol and bar; `None` unless it is a bar with all that belongs to one.
fn read_bar<'a>(rest: &mut &'a [u8]) -> Option<(&'a str, Bar)> {
    let (mut kind, mut symbol, mut ts) = (None, None, None);
    let [mut open, mut high, mut low, mut close, mut volume] = [None; 5];
    for _ in 0..read_map_len(rest).ok()? {
        match read_text(rest)? {
            "T" => kind = Some(read_text(rest)?),
            "S" => symbol = Some(read_text(rest)?),
            "t" => ts = Some(read_instant(rest)?),
            "o" => open = Some(read_number(rest)?),
            "h" => high = Some(read_number(rest)?),
            "l" => low = Some(read_number(rest)?),
            "c" => close = Some(read_number(rest)?),
            "v" => volume = Some(read_number(rest)?),
            // Number of trades, average price, and what the vendor will think of.
            _ => skip_number(rest)?,
        }
    }
    let bar = Bar {
        ts: ts.filter(|&ts| is_instant(ts))?,
        open: open?,
        high: high?,
        low: low?,
        close: close?,
        volume: volume?,
        flags: 0,
    };
    let symbol = symbol.filter(|symbol| is_plain_symbol(symbol))?;
    (kind == Some("b")).then_some((symbol, bar))
}

fn read_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (text, after) = read_str_from_slice(*rest).ok()?;
    *rest = after;
    Some(text)
}

fn read_number(rest: &mut &[u8]) -> Option<f64> {
    match Marker::from_u8(*rest.first()?) {
        Marker::F64 => read_f64(rest).ok(),
        Marker::F32 => read_f32(rest).ok().map(f64::from),
        _ => read_int(rest).ok().map(|whole: i64| whole as f64),
    }
}

fn skip_number(rest: &mut &[u8]) -> Option<()> {
    match rest.split_first()? {
        (&first, after) if Marker::from_u8(first) == Marker::Null => {
            *rest = after;
            Some(())
        }
        _ => read_number(rest).map(drop),
    }
}

/// The instant of a timestamp, ns UTC; it has three lengths (MessagePack specification, "Timestamp extension type").
fn read_instant(rest: &mut &[u8]) -> Option<i64> {
    let meta = read_ext_meta(rest).ok()?;
    if meta.typeid != TIMESTAMP {
        return None;
    }
    let (content, after) = rest.split_at_checked(meta.size as usize)?;
    *rest = after;
    let (seconds, ns) = match *content {
        [a, b, c, d] => (i64::from(u32::from_be_bytes([a, b, c, d])), 0),
        [a, b, c, d, e, f, g, h] => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            ((both & ((1 << 34) - 1)) as i64, (both >> 34) as i64)
        }
        [a, b, c, d, ref seconds @ ..] => (
            i64::from_be_bytes(seconds.try_into().ok()?),
            i64::from(u32::from_be_bytes([a, b, c, d])),
        ),
        _ => return None,
    };
    let whole = seconds.checked_mul(SECOND)?;
    (0..SECOND).contains(&ns).then(|| whole.checked_add(ns))?
}

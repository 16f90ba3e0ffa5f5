//! Removes `metadata.managedFields` from JSON as text, without decoding it.

/// Returns an answer without managed fields. Nobody reads these, and they may be such that the whole answer cannot be decoded.
pub fn without_managed_fields(json: &[u8]) -> Option<Vec<u8>> {
    const NAME: &[u8] = b"managedFields";
    if !json.windows(NAME.len()).any(|part| part == NAME) {
        return None;
    }
    let mut kept = Vec::with_capacity(json.len());
    // For each open object or list: true if it is the metadata of an object.
    let mut open: Vec<bool> = Vec::new();
    let mut name: &[u8] = &[];
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        let end = match byte {
            b'"' => string_end(json, at)?,
            _ => at + 1,
        };
        match byte {
            b'"' if is_name(json, end) => {
                name = json.get(at + 1..end - 1)?;
                if name == NAME && open.last() == Some(&true) {
                    at = without_member(json, end, &mut kept)?;
                    continue;
                }
            }
            b'{' => open.push(std::mem::take(&mut name) == b"metadata"),
            b'[' => {
                name = &[];
                open.push(false);
            }
            b'}' | b']' => {
                open.pop()?;
            }
            b',' => name = &[],
            _ => {}
        }
        kept.extend_from_slice(json.get(at..end)?);
        at = end;
    }
    Some(kept)
}

/// Returns the end of the string that begins here.
fn string_end(json: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match json.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

fn is_name(json: &[u8], end: usize) -> bool {
    skip_space(json, end).is_some_and(|(_, byte)| byte == b':')
}

/// The next byte that is no space, and where it is.
fn skip_space(json: &[u8], from: usize) -> Option<(usize, u8)> {
    let rest = json.get(from..)?;
    let found = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
    Some((from + found, *rest.get(found)?))
}

/// Passes over the value of a member whose name ends here, and over one comma beside it.
fn without_member(json: &[u8], name_end: usize, kept: &mut Vec<u8>) -> Option<usize> {
    let (mut at, _) = skip_space(json, name_end)?;
    at += 1;
    let mut depth = 0_usize;
    loop {
        let (next, byte) = skip_space(json, at)?;
        match byte {
            b'"' => at = string_end(json, next)?,
            b'{' | b'[' => {
                depth += 1;
                at = next + 1;
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                at = next + 1;
            }
            // The end of the object that the member is in.
            b'}' | b']' => {
                let last = kept.iter().rposition(|byte| !byte.is_ascii_whitespace());
                if let Some(last) = last.filter(|last| kept.get(*last) == Some(&b',')) {
                    kept.truncate(last);
                }
                return Some(next);
            }
            b',' if depth == 0 => return Some(next + 1),
            _ => at = next + 1,
        }
    }
}

use super::*;

/// A small generator; the seed is in every failure's message.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

type Owned = (u64, Stream, u128, Vec<u8>);

fn owned(line: Line<'_>) -> Owned {
    (line.sequence, line.stream, line.invocation.0, line.message.to_vec())
}

fn split(bytes: &[u8]) -> Vec<Owned> {
    let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
    for frame in frames(bytes) {
        splitter.push(&frame.unwrap(), |line| lines.push(owned(line)));
    }
    lines
}

fn put(numberer: &mut Numberer, out: &mut Vec<u8>, stream: Stream, invocation: u128, payload: &[u8]) {
    let header = numberer.header(stream, InvocationId(invocation), Timestamp(7), payload);
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(payload);
}

/// Random chunks of both streams, with a change of invocation now and then; the frames with their ends, and
/// the lines a naive reader expects.
fn history(random: &mut Random) -> (Vec<u8>, Vec<usize>, Vec<Owned>) {
    let (mut numberer, mut bytes, mut ends) = (Numberer::default(), Vec::new(), Vec::new());
    let mut open: [Option<(u128, Vec<u8>)>; 3] = Default::default();
    let (mut lines, mut invocation) = (Vec::new(), 1);
    for _ in 0..random.below(60) {
        if random.below(12) == 0 {
            invocation += 1;
        }
        let stream = STREAMS[random.below(2) as usize];
        let payload: Vec<u8> = (0..=random.below(20)).map(|_| b"ab\nc"[random.below(4) as usize]).collect();
        put(&mut numberer, &mut bytes, stream, invocation, &payload);
        ends.push(bytes.len());
        let slot = &mut open[stream_index(stream)];
        if let Some((_, old)) = slot.take_if(|(of, _)| *of != invocation) {
            lines.push((lines.len() as u64 + 1, stream, invocation - 1, old));
        }
        for &byte in &payload {
            let (_, text) = slot.get_or_insert_with(|| (invocation, Vec::new()));
            if byte == b'\n' {
                lines.push((lines.len() as u64 + 1, stream, invocation, std::mem::take(text)));
                *slot = None;
            } else {
                text.push(byte);
            }
        }
    }
    (bytes, ends, lines)
}

fn seeds() -> impl Iterator<Item = u64> {
    (1..400).map(|n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

#[test]
fn frames_of_both_streams_split_into_the_lines_that_were_written() {
    for seed in seeds() {
        let (bytes, _, mut lines) = history(&mut Random(seed));
        // A change of invocation may skip numbers of the naive reader's "invocation - 1".
        let mut got = split(&bytes);
        for line in got.iter_mut().chain(lines.iter_mut()) {
            line.2 = 0;
        }
        assert_eq!(got, lines, "seed {seed}");
    }
}

#[test]
fn a_reader_that_starts_at_any_frame_numbers_lines_the_same() {
    for seed in seeds().take(100) {
        let (bytes, ends, lines) = history(&mut Random(seed));
        for &start in &ends {
            for line in split(&bytes[start..]) {
                let whole = &lines[line.0 as usize - 1];
                assert!(
                    whole.3.ends_with(&line.3) && whole.1 == line.1,
                    "seed {seed} at {start}: {line:?} of {whole:?}"
                );
            }
        }
    }
}

#[test]
fn a_writer_started_again_counts_on_from_the_headers_alone() {
    for seed in seeds().take(100) {
        let (bytes, ends, _) = history(&mut Random(seed));
        let mut numberer = Numberer::default();
        let mut at = 0;
        for end in ends {
            let header = FrameHeader::decode(&bytes[at..]).unwrap();
            let mut again = numberer.clone();
            let made = again.header(header.stream, header.invocation, header.time, &bytes[at + HEADER_LEN..end]);
            assert_eq!(made, header, "seed {seed}");
            numberer.count(&header);
            at = end;
        }
    }
}

#[test]
fn a_frame_dropped_by_a_full_disk_costs_its_own_lines_and_no_other_number() {
    for seed in seeds().take(200) {
        let mut random = Random(seed);
        let (bytes, ends, lines) = history(&mut random);
        if ends.len() < 3 {
            continue;
        }
        let gone = 1 + random.below(ends.len() as u64 - 2) as usize;
        let kept = [&bytes[..ends[gone - 1]], &bytes[ends[gone]..]].concat();
        let got = split(&kept);
        assert!(got.windows(2).all(|two| two[0].0 < two[1].0), "seed {seed}");
        let lost = FrameHeader::decode(&bytes[ends[gone - 1]..]).unwrap().lines as usize;
        // One more may be gone: a line that was begun in that frame and ended without a byte of its own.
        assert!(got.len() + lost + 1 >= lines.len(), "seed {seed}");
        for line in got.iter().filter(|line| lines.contains(line)) {
            assert_eq!(line, &lines[line.0 as usize - 1], "seed {seed}");
        }
    }
}

#[test]
fn a_torn_tail_keeps_the_payload_that_is_there() {
    for seed in seeds().take(100) {
        let mut random = Random(seed);
        let (bytes, ends, _) = history(&mut random);
        let Some(&end) = ends.last() else { continue };
        let start = ends.iter().rev().nth(1).copied().unwrap_or(0);
        let header = FrameHeader::decode(&bytes[start..]).unwrap();
        let kept = random.below((end - start - HEADER_LEN) as u64) as usize;
        assert_eq!(Frame::decode(&bytes[start..start + HEADER_LEN + kept]), Err(FrameError::Incomplete));
        let payload = &bytes[start + HEADER_LEN..start + HEADER_LEN + kept];
        let Some(short) = header.shortened(payload) else {
            assert!(kept == 0 && !header.cut);
            continue;
        };
        let repaired = [&short.encode()[..], payload].concat();
        let frame = Frame::decode(&repaired).unwrap();
        assert_eq!(
            (frame.payload, frame.header.sequence, frame.header.number),
            (payload, header.sequence, header.number)
        );
    }
}

#[test]
fn no_bytes_make_the_decoder_panic_and_every_flipped_bit_is_noticed() {
    let mut random = Random(42);
    let (mut numberer, mut bytes) = (Numberer::default(), Vec::new());
    put(&mut numberer, &mut bytes, Stream::Stderr, 3, b"one\ntwo");
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Frame::decode(&damaged).is_err(), "bit {bit}");
    }
    for _ in 0..2000 {
        let noise: Vec<u8> = (0..random.below(200)).map(|_| random.below(256) as u8).collect();
        assert!(frames(&noise).all(|frame| frame.is_err()));
    }
}

#[test]
fn a_line_without_end_is_cut_before_a_mebibyte_and_nothing_of_it_is_lost() {
    let (mut numberer, mut bytes) = (Numberer::default(), Vec::new());
    let chunk = vec![b'x'; MAX_PAYLOAD];
    for _ in 0..40 {
        put(&mut numberer, &mut bytes, Stream::Stdout, 1, &chunk);
    }
    put(&mut numberer, &mut bytes, Stream::Stdout, 1, b"end\n");
    let lines = split(&bytes);
    assert!(lines.iter().all(|line| line.3.len() <= MAX_LINE));
    assert_eq!(lines.iter().map(|line| line.3.len()).sum::<usize>(), 40 * MAX_PAYLOAD + 3);
    assert_eq!(lines.iter().map(|line| line.0).collect::<Vec<_>>(), (1..=lines.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_closed_pipe_ends_the_line_that_has_no_newline() {
    let (mut numberer, mut bytes) = (Numberer::default(), Vec::new());
    put(&mut numberer, &mut bytes, Stream::Stdout, 1, b"half");
    let end = numberer.finish(Stream::Stdout, Timestamp(9)).unwrap();
    bytes.extend_from_slice(&end.encode());
    assert_eq!(numberer.finish(Stream::Stdout, Timestamp(9)), None);
    put(&mut numberer, &mut bytes, Stream::Stdout, 2, b"whole\n");
    assert_eq!(split(&bytes), [(1, Stream::Stdout, 1, b"half".to_vec()), (2, Stream::Stdout, 2, b"whole".to_vec())]);
}

#[test]
fn the_first_version_is_still_read() {
    // A frame as version 1 wrote it: stdout, "hi\n".
    let mut numberer = Numberer::starting_at(5, 3);
    let header = numberer.header(Stream::Stdout, InvocationId(0x0102), Timestamp(1_000_000), b"hi\n");
    let hex: String = header.encode().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, SAMPLE);
}

const SAMPLE: &str = concat!(
    "466c010108000000030000000100000040420f0000000000",
    "05000000000000000300000000000000",
    "020100000000000000000000000000007a7a6fed8e537607"
);

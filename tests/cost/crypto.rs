//! What TLS and the signature do with each byte, by ring as rustls and `firehose::sign` call it.

use std::error::Error;

use firehose_connector::limits::CHUNK_BYTES;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{Context, SHA256};

/// Bytes of a TLS record.
const RECORD: usize = 16 * 1024;

/// Hashes or encrypts so many bytes.
pub fn run(name: &str, bytes: usize) -> Result<(), Box<dyn Error>> {
    let algorithm = match name {
        "sha-256" => {
            hash(bytes);
            return Ok(());
        }
        "aes-128-gcm" => &AES_128_GCM,
        "aes-256-gcm" => &AES_256_GCM,
        "chacha20-poly1305" => &CHACHA20_POLY1305,
        _ => return Err(format!("there is no algorithm {name}").into()),
    };
    let key = UnboundKey::new(algorithm, &[7; 32][..algorithm.key_len()]).map_err(|_| "a key of another length")?;
    let (key, mut record) = (LessSafeKey::new(key), vec![0; RECORD]);
    for _ in 0..bytes / RECORD {
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from([0; 5]), &mut record);
        tag.map_err(|_| "nothing was encrypted")?.as_ref();
    }
    Ok(())
}

fn hash(bytes: usize) {
    let (mut context, chunk) = (Context::new(&SHA256), vec![0; CHUNK_BYTES]);
    for _ in 0..bytes / CHUNK_BYTES {
        context.update(&chunk);
    }
    std::hint::black_box(context.finish());
}

use super::{PassphraseCost, PassphraseParameters, PassphraseParametersError, stretch};
use crate::error::KeyServiceError;
use crate::hex;
use crate::key_service::KeyService;
use crate::local_key::LocalKey;

const CHEAP: PassphraseCost = PassphraseCost {
    memory_kib: 64,
    iterations: 1,
    parallelism: 1,
};

#[test]
fn the_same_passphrase_gives_the_same_key() {
    let (key, parameters) = LocalKey::new_from_passphrase(b"correct horse", CHEAP, [5; 16]).unwrap();
    let parameters: PassphraseParameters = parameters.to_string().parse().unwrap();
    let again = LocalKey::from_passphrase(b"correct horse", &parameters).unwrap();
    assert_eq!(again.key_id(), key.key_id());
    assert!(again.describe().contains("passphrase"));

    let (salted, _) = LocalKey::new_from_passphrase(b"correct horse", CHEAP, [6; 16]).unwrap();
    assert_ne!(salted.key_id(), key.key_id());
}

#[test]
fn a_wrong_passphrase_is_noticed() {
    let (_, parameters) = LocalKey::new_from_passphrase(b"correct horse", CHEAP, [5; 16]).unwrap();
    let wrong = |passphrase: &[u8], parameters: &PassphraseParameters| {
        matches!(
            LocalKey::from_passphrase(passphrase, parameters),
            Err(KeyServiceError::WrongPassphrase)
        )
    };
    for passphrase in [&b"correct horse "[..], b"Correct horse", b""] {
        assert!(wrong(passphrase, &parameters));
    }
    let mut changed = parameters.clone();
    changed.cost.iterations = 2;
    assert!(wrong(b"correct horse", &changed));
    changed = parameters.clone();
    changed.verifier[31] ^= 1;
    assert!(wrong(b"correct horse", &changed));
}

/// Computed with the reference implementation (`argon2 somesaltsomesalt -id -t 2 -k 256 -p 1 -l 32 -v 13`).
#[test]
fn stretching_is_argon2id() {
    let cost = PassphraseCost {
        memory_kib: 256,
        iterations: 2,
        parallelism: 1,
    };
    let key = stretch(b"password", cost, b"somesaltsomesalt").unwrap();
    assert_eq!(
        hex::encode(&*key),
        "cab746b4621993fdc91ec50787980b414a90a692f0bc68dfe19f9c25b3cba9ec"
    );
}

#[test]
fn text_form() {
    use PassphraseParametersError::{Cost, Field, Form};
    let good = "strongroom-passphrase-v1 argon2id m=65536 t=3 p=4 \
                salt=000102030405060708090a0b0c0d0e0f \
                verifier=000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f";
    let parsed: PassphraseParameters = format!("  {good}\n").parse().unwrap();
    assert_eq!(parsed.cost, PassphraseCost::DEFAULT);
    assert_eq!(parsed.to_string(), good);

    let cases = [
        ("", "", Form),
        ("passphrase-v1", "passphrase-v2", Form),
        ("argon2id", "argon2i", Form),
        ("m=65536 ", "", Field("m")),
        ("m=65536", "m=x", Field("m")),
        ("t=3", "t=-3", Field("t")),
        ("p=4", "q=4", Field("p")),
        ("salt=00", "salt=", Field("salt")),
        ("salt=00", "salt=0G", Field("salt")),
        ("verifier=00", "verifier=0000", Field("verifier")),
        ("m=65536", "m=4294967295", Cost),
        ("m=65536", "m=31", Cost),
        ("t=3", "t=0", Cost),
        ("t=3", "t=1000", Cost),
        ("p=4", "p=0", Cost),
        ("p=4", "p=1000", Cost),
    ];
    for (from, to, expected) in cases {
        let text = if from.is_empty() {
            String::new()
        } else {
            good.replace(from, to)
        };
        assert_eq!(
            text.parse::<PassphraseParameters>(),
            Err(expected),
            "{from} -> {to}"
        );
    }
    assert_eq!(format!("{good} more").parse::<PassphraseParameters>(), Err(Form));
}

#[test]
fn unbearable_costs_are_refused() {
    for cost in [
        PassphraseCost {
            memory_kib: u32::MAX,
            ..CHEAP
        },
        PassphraseCost {
            iterations: 0,
            ..CHEAP
        },
    ] {
        assert!(LocalKey::new_from_passphrase(b"x", cost, [0; 16]).is_err());
    }
}

//! Keys as `openssl pkey -pubin` writes them, and texts that are no keys.

use super::*;
use crate::gateway::cases::ONE_KEY;

const N: &str = "yOoG0uJDUMfh5qKIUK6KAarcuBu7mj56OrdKn-Hrl9K0h2ejXltllPEHAO_DRKHUpvjQOl8mluqAyy53fWOr9_hlnhosIsPY6_s38TjRBlsL75ubfAGdrGlsQ3omclnvuZbw0WQxGI25RmlnHBRzsgg-B7GfDD7VgJpA3RUut4GAlqEJtzGCTj2rRqnRWoaR6aWeCq1bn-q8TpP3kpmr3KR2CwZ3sldOENp43xlp0lkDK5CMLV0TbLjvySwoeDL_IJIYk49LTQMmjPdEwSSOnKdopAhgs3uajLhBGewj1KJTuXiKFdyTgHRKi1r13sFoTbkbk3aUHMnibuEgQy1bhQ";

const RSA_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyOoG0uJDUMfh5qKIUK6K
AarcuBu7mj56OrdKn+Hrl9K0h2ejXltllPEHAO/DRKHUpvjQOl8mluqAyy53fWOr
9/hlnhosIsPY6/s38TjRBlsL75ubfAGdrGlsQ3omclnvuZbw0WQxGI25RmlnHBRz
sgg+B7GfDD7VgJpA3RUut4GAlqEJtzGCTj2rRqnRWoaR6aWeCq1bn+q8TpP3kpmr
3KR2CwZ3sldOENp43xlp0lkDK5CMLV0TbLjvySwoeDL/IJIYk49LTQMmjPdEwSSO
nKdopAhgs3uajLhBGewj1KJTuXiKFdyTgHRKi1r13sFoTbkbk3aUHMnibuEgQy1b
hQIDAQAB
-----END PUBLIC KEY-----
";

const P256_PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMKBCTNIcKUSDii11ySs3526iDZ8A
iTo7Tu6KPAqv7D7gS2XpJFbZiItSs3m9+9Ue6GnvHw/GW2ZZaVtszggXIw==
-----END PUBLIC KEY-----
";

fn rsa(more: &str) -> String {
    format!(r#"{{"kty":"RSA","n":"{N}","e":"AQAB"{more}}}"#)
}

fn set(keys: &[&str]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

#[test]
fn a_key_is_written_as_openssl_does() {
    let key = |pem: &str, algorithm| PublicKey {
        pem: pem.into(),
        algorithm,
    };
    assert_eq!(only_key(&set(&[&rsa("")])), Ok(key(RSA_PEM, "RS256")));
    assert_eq!(
        only_key(&set(&[&rsa(r#","alg":"RS512","use":"sig""#)])),
        Ok(key(RSA_PEM, "RS512"))
    );
    assert_eq!(only_key(ONE_KEY), Ok(key(P256_PEM, "ES256")));
    let beside = rsa(r#","use":"enc""#);
    assert_eq!(
        only_key(&set(&[&beside, &rsa("")])),
        Ok(key(RSA_PEM, "RS256")),
        "that one signs nothing"
    );
}

#[test]
fn what_apisix_cannot_take_is_said() {
    let short = r#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#;
    for (set, words) in [
        ("no JSON".to_string(), "not a set of keys"),
        ("{}".into(), "not a set of keys"),
        (set(&[]), "not 0"),
        (set(&[&rsa(""), &rsa("")]), "not 2"),
        (set(&[r#"{"kty":"oct","k":"c2VjcmV0"}"#]), "RSA"),
        (set(&[&rsa(r#","alg":"PS256""#)]), "RSA"),
        (set(&[&rsa(r#","alg":"HS256""#)]), "RSA"),
        (set(&[r#"{"kty":"RSA","n":"!","e":"AQAB"}"#]), "RSA"),
        (set(&[r#"{"kty":"RSA","n":"","e":"AQAB"}"#]), "RSA"),
        (set(&[short]), "P-256"),
    ] {
        let refused = only_key(&set).expect_err(&set);
        assert!(refused.contains(words), "{set}: {refused}");
    }
}

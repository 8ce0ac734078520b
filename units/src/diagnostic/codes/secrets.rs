//! Secrets in the repository.

use super::{codes, warning};

codes! {
    SECRET_IN_CLEAR = warning(
        "secret-in-clear",
        "A unit file, drop-in or delivered file holds a secret: a private key, a token of a known form, an address with a \
         password in it, or a variable, option or `SetCredential=` whose name says password, secret, token or key and whose \
         value is no placeholder, path or reference. Of delivered files the first 4 MiB of those that are text are looked at; \
         variables only where the file holds nothing else, as for `EnvironmentFile=`. The value is shown nowhere.",
        "Replace the secret: whoever can read the repository has it, and git keeps it. Encrypt the new one with age to \
         `secrets/ENV/NAME.age` and hand it over by `LoadCredential=NAME`. For what is no secret write a comment \
         `# fleet-allow: secret-in-clear: reason`.",
    );
    SECRET_NOT_ENCRYPTED = warning(
        "secret-not-encrypted",
        "A file below `secrets/` is no ciphertext of age, binary or armored. Its header is looked at; nothing is decrypted. \
         Lists of recipients, `.md` files and those that begin with a dot may stand there. It is a warning: the file is in \
         git's history by now, and refusing the revision would only keep back what comes after it, the correction as well.",
        "Replace the secret, and commit the new one encrypted: `age -R RECIPIENTS -o secrets/ENV/NAME.age`.",
    );
}

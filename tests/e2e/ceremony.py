"""The ceremonies of Trusted Key Entry, by prompts alone: `python3 ceremony.py STAGE`.

Each stage goes on where the one before it ended, on the workstation folder and the cluster that the environment names.
"""

import re
import sys

from terminal import Ask, Command, Wrong, converse, interrupted, opened, shows

PASSWORDS = {"Alice": "gravel walks 71 ostrich", "Bob": "thirty 4 lanterns drift", "Carol": "velvet 19 harbour moss"}
PART_PASSWORDS = ["cinder 88 maple quarry", "pewter 12 anvil meadow", "saffron 55 cliff otter"]
DESCRIPTIONS = ["first part", "second part", "third part"]
CONTINUE = "Do you want to continue?\nAnswer [y/N]:"
FINGERPRINTS = Ask("Are these the fingerprints that the operators of the crypto units read from them?\nAnswer [y/N]:", "y", once=True)
ROTATED = "Master key rotation successful."
REWRAPPED = "KMS CRK rewrap successful, waiting on cryptounit-mk-setimm"


def named(name):
    """A signature key as prompts name it: NAME (SKI...)."""
    listed = shows(["sigkeys"], ["KEYNUM   DESCRIPTION   SUBJECT KEY IDENTIFIER"])
    found = re.search(rf"^[0-9]+ +{name} +([0-9a-f]{{30}})\.\.\. ", listed, re.MULTILINE)
    if not found:
        raise Wrong(f"there is no signature key of {name}:\n{listed}")
    return f"{name} ({found[1]}...)"


def signatures(*names):
    return [Ask("Enter the password for the signature key identified by:\n" + named(name), PASSWORDS[name]) for name in names]


def new_password(prompt, password):
    return [Ask(prompt, password), Ask("Re-enter the password to confirm:", password)]


def new_administrator(name):
    return [Ask("Enter an administrator name to be associated with the signature key:", name),
            *new_password("Enter a password to protect the signature key:", PASSWORDS[name])]


def make_signature_key(name):
    converse(["sigkey-add"], new_administrator(name), ["OK\r\n", "A signature key was created.\r\n"])


def select_signature_keys(*names):
    numbers = range(1, len(names) + 1)
    converse(["sigkey-sel"],
             [Ask("Enter the KEYNUM values to select as current signature keys, separated by spaces:", " ".join(map(str, numbers))),
              *[Ask(f"Enter the password for KEYNUM {n}:", PASSWORDS[name]) for n, name in zip(numbers, names)]],
             ["OK\r\n", *[f"KEYNUM {n} has been made the current signature key.\r\n" for n in numbers]])


def add_administrator(number, name, *signers):
    converse(["cryptounit-admin-add"],
             [Ask("Enter the KEYNUM of the administrator signature key you wish to load:", str(number)),
              Ask("Enter the password for the administrator signature key file:", PASSWORDS[name]), *signatures(*signers)],
             ["OK\r\n", "The crypto unit administrator was added to the selected crypto units.\r\n"])
    shows(["cryptounit-admins"], ["CRYPTO UNIT ADMINISTRATORS\r\n", "CRYPTO UNIT NUM   ADMIN NAME   SUBJECT KEY IDENTIFIER"] + [name] * 5)


def auto_init():
    begin = [FINGERPRINTS,
             Ask("Enter the signature threshold value (1 to 8, at least 2 for dual control):", "2"),
             Ask("Enter the revocation signature threshold value (1 to 8, at least 2 for dual control):", "2"),
             Ask("Enter the number of administrators to install (1 to 8):", "2")]
    begin = interrupted(["auto-init"], begin + new_administrator("Alice"))[:-3]
    command = opened(["auto-init"], begin + new_administrator("Alice"))
    command.prompt(new_administrator("Bob")[0].prompt)
    command.interrupt()  # the signature key of Alice is there, and is one to use
    begin += [Ask("Enter the KEYNUM values of existing signature keys to use, separated by spaces, or nothing to make new ones:", "1")]
    converse(["auto-init"], begin + signatures("Alice") + new_administrator("Bob"),
             ["Installing 1 of 2 administrators....\r\n", "Installing 2 of 2 administrators....\r\n", "Setting signature thresholds....\r\n",
              "Generating a random master key value....\r\n", "Transferring the master key value to 1 of 4 crypto units....\r\n",
              "Transferring the master key value to 4 of 4 crypto units....\r\n", "OK\r\n", "The selected service instance has been initialized.\r\n"])
    shows(["cryptounits"], ["SERVICE INSTANCE: ", "CRYPTO UNIT NUM   SELECTED   TYPE          LOCATION", "OPERATIONAL", "RECOVERY"])


def imprint():
    """Two administrators, both of whom must sign, set by hand on units in imprint mode."""
    shows(["cryptounit-thrhlds"], ["SIGNATURE THRESHOLDS\r\n", "==> Crypto units with a signature threshold of 0 are in IMPRINT MODE. <==\r\n"])
    make_signature_key("Alice")
    make_signature_key("Bob")
    select_signature_keys("Alice", "Bob")
    add_administrator(1, "Alice")
    add_administrator(2, "Bob")
    converse(["cryptounit-thrhld-set"],
             [Ask("Enter the new signature threshold value:", "2"), Ask("Enter the new revocation signature threshold value:", "2"),
              *signatures("Alice", "Bob")],
             ["OK\r\n", "New signature threshold values have been set in the selected crypto units.\r\n"])
    shows(["cryptounit-thrhlds"], ["CRYPTO UNIT NUM   SIGNATURE THRESHOLD   REVOCATION THRESHOLD"])


def select_units():
    converse(["cryptounit-add"], [Ask("Enter a list of CRYPTO UNIT NUM to add, separated by spaces:", "1 2 3 4 5")],
             ["OK\r\n", "CRYPTO UNIT NUM   SELECTED"])


def make_parts(*places):
    for n in places:
        converse(["mk-add", "--random"],
                 [Ask("Enter a description for the key part:", DESCRIPTIONS[n]),
                  *new_password("Enter a password to protect the key part:", PART_PASSWORDS[n])],
                 ["OK\r\n", "A key part was created.\r\n", "KEYNUM   DESCRIPTION   VERIFICATION PATTERN"])
    shows(["mks"], ["KEYNUM   DESCRIPTION   VERIFICATION PATTERN"] + [DESCRIPTIONS[n] for n in range(max(places) + 1)])


def load(count, *signers, first=()):
    numbers = range(1, count + 1)
    parts = [Ask("Enter the KEYNUM values of the master key parts you wish to load.\n2 or 3 values must be specified, separated by spaces.",
                 " ".join(map(str, numbers)))]
    passwords = [Ask(f"Enter the password for key file {n}", PART_PASSWORDS[n - 1]) for n in numbers]
    converse(["cryptounit-mk-load"], [*first] + parts + signatures(*signers) + passwords,
             ["OK\r\n", "The new master key register has been loaded in the selected crypto units.\r\n"])
    shows(["cryptounit-mk"], ["NEW MASTER KEY REGISTER\r\n"] + ["Full Uncommitted"] * 5 + ["CURRENT MASTER KEY REGISTER\r\n"])


def commit(*signers):
    converse(["cryptounit-mk-commit"], signatures(*signers),
             ["OK\r\n", "The new master key register has been committed in the selected crypto units.\r\n"])
    shows(["cryptounit-mk"], ["NEW MASTER KEY REGISTER\r\n"] + ["Full Committed"] * 5 + ["CURRENT MASTER KEY REGISTER\r\n"])


def first_key():
    """A first master key of two parts, which set-immediate puts in force."""
    make_parts(0, 1)
    load(2, "Alice", "Bob", first=[FINGERPRINTS])
    commit("Alice", "Bob")
    listed = shows(["cryptounit-mk"], ["NEW MASTER KEY REGISTER\r\n"])
    pattern = re.search(r"^1 +Full Committed +([0-9a-f]{32}) *\r\n +([0-9a-f]{32}) *\r$", listed, re.MULTILINE)
    if not pattern:
        raise Wrong(f"no pattern of two lines in\n{listed}")
    converse(["cryptounit-mk-setimm"], [Ask(f"{pattern[1]}\n{pattern[2]}\n{CONTINUE}", "y"), *signatures("Alice")],
             ["OK\r\n", "Set immediate completed successfully in the selected crypto units.\r\n"])
    shows(["cryptounit-mk"], ["NEW MASTER KEY REGISTER\r\n"] + ["Empty"] * 5 + ["CURRENT MASTER KEY REGISTER\r\n"] + ["Valid"] * 5)


def third_administrator():
    make_signature_key("Carol")
    add_administrator(3, "Carol", "Alice", "Bob")
    select_signature_keys("Alice", "Bob", "Carol")


def load_three():
    load(3, "Alice", "Bob", "Carol")


def commit_three():
    commit("Alice", "Bob")


ROTATE = ["cryptounit-mk-rotate"]
WATCHED = "the rotation is watched"


def rotate_and_leave():
    """Ctrl-C at every prompt, and while keys are rewrapped, which a node is held at."""
    dialogue = interrupted(ROTATE, [Ask(CONTINUE, "y"), *signatures("Alice")])
    command = opened(ROTATE, dialogue)
    command.sees("Master key rotation started.\r\n")
    command.sees("Rewrapping key storage....")
    command.interrupt()
    again = opened(ROTATE, dialogue[:1])  # nothing is signed any more
    again.sees("Rewrapping key storage....")
    again.interrupt()


def rotate():
    """The same command again shows the rotation to its end; the nodes go on when it is seen to watch."""
    command = opened(ROTATE, [Ask(CONTINUE, "y")])
    command.sees("Rewrapping key storage....")
    print(WATCHED, flush=True)
    command.ends(0, [REWRAPPED, ROTATED, "OK\r\n"])


def compare():
    same = "==> All crypto units are configured the same. <==\r\n"
    shows(["cryptounit-compare"],
          ["SIGNATURE THRESHOLDS\r\n", "CRYPTO UNIT ADMINISTRATORS\r\n", "NEW MASTER KEY REGISTER\r\n"] + ["Empty"] * 5 +
          ["CURRENT MASTER KEY REGISTER\r\n"] + ["Valid"] * 5 +
          ["CONTROL POINTS\r\n", "XCP_CPB_ALG_EC_25519", "XCP_CPB_BTC", "XCP_CPB_ECDSA_OTHER", "Not Set",
           "* Indicates a recovery crypto unit used only to hold a backup master key value.\r\n", same])


STAGES = {
    "auto-init": [auto_init, select_units],
    "imprint": [imprint, first_key],
    "third-administrator": [third_administrator],
    "parts": [lambda: make_parts(0, 1, 2)],
    "last-part": [lambda: make_parts(2)],
    "load": [load_three],
    "commit": [commit_three],
    "rotate-and-leave": [rotate_and_leave],
    "rotate": [rotate, compare],
}

if __name__ == "__main__":
    try:
        for step in STAGES[sys.argv[1]]:
            step()
    except Wrong as wrong:
        sys.exit(str(wrong))

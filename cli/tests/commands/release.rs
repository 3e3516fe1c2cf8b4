//! `release`: rows from files of each format to files of each format, and every input that mustn't leave.

use std::process::{Command, Stdio};

use exportgate::ledger::{CustomerKey, JobState, Ledger, SqliteLedger, SqliteOptions};
use rusqlite::Connection;

use super::ask::{self, with_ledger};
use super::*;

/// What stands in the values that mustn't leave.
const SECRET: &str = "S3CR3T";

const FIELDS: [&str; 4] = ["customer.name", "customer.email", "account.plan", "account.password_hash"];

/// A job of the pack of `exportgate init`, and the file that holds it.
fn write_job(dir: &TempDir, id: &str, customers: &[&str]) {
    let row = |id: &&str| {
        let ticket = (!id.starts_with("loose")).then(|| format!("t-{id}"));
        let held = id.starts_with("held");
        match ticket {
            Some(ticket) => serde_json::json!({ "id": id, "legalHold": held, "ticket": ticket }),
            None => serde_json::json!({ "id": id, "legalHold": held }),
        }
    };
    let ticket = |id: &&str| {
        let attributes = serde_json::json!({ "customer": id, "assignee": "ana" });
        serde_json::json!({ "type": "Ticket", "id": format!("t-{id}"), "attributes": attributes })
    };
    let job = serde_json::json!({
        "job": id,
        "agent": { "id": "ana", "employed": true, "in": ["Role::support"] },
        "fields": FIELDS,
        "env": { "purpose": "resolve_ticket" },
        "customers": customers.iter().map(row).collect::<Vec<_>>(),
        "entities": customers.iter().map(ticket).collect::<Vec<_>>(),
    });
    write(dir, "job.json", job.to_string());
}

fn release(dir: &TempDir, input: &str, output: &str, more: &[&str]) -> Ran {
    let args = [&["release", "--job", "job.json", "--in", input, "--out", output], more].concat();
    run(dir.path(), &args)
}

/// What the ledger says of a job: its state, and how many customers count.
fn state(dir: &TempDir, job: &str) -> Option<(JobState, u64)> {
    let key = std::fs::read_to_string(dir.path().join("ledger.key")).unwrap();
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    let (pairs, _) = key.trim().as_bytes().as_chunks::<2>();
    let key: Vec<u8> = pairs.iter().map(|[high, low]| 16 * digit(*high) + digit(*low)).collect();
    let path = dir.path().join("ledger.sqlite");
    let ledger = SqliteLedger::open(path, CustomerKey::new(&key).unwrap(), SqliteOptions::default()).unwrap();
    ledger.job(job).unwrap().map(|job| (job.state, job.counted))
}

const HEADER: &str = "id,customer.name,note,customer.email,account.plan,account.password_hash\n";

const INPUT: &str = "id,customer.name,note,customer.email,account.plan,account.password_hash\n\
    c-1,Ana Bo,S3CR3T,ana.bo@example.com,=basic,S3CR3T\n\
    held-1,S3CR3T,S3CR3T,S3CR3T@example.com,S3CR3T,S3CR3T\n\
    c-2,\"Bo, \"\"B\"\"\",S3CR3T,,+12.5,S3CR3T\n";

/// What of that leaves.
const OUTPUT: &str = "id,customer.name,customer.email,account.plan,account.password_hash,watermark_agent,watermark_ticket\n\
    c-1,****,a***@***,'=basic,,ana,t-c-1\n\
    c-2,****,,+12.5,,ana,t-c-2\n";

/// No file of the folder but the inputs, nor what was printed, holds a value that mustn't leave.
#[track_caller]
fn check_no_secret(dir: &TempDir, ran: &Ran, inputs: &[&str]) {
    for name in names(dir.path()) {
        let path = dir.path().join(&name);
        if path.is_file() && !inputs.contains(&name.as_str()) {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()), "a secret is in {name}");
        }
    }
    assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET), "{}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn csv_leaves_in_its_forms_with_a_watermark_and_on_record() {
    let dir = with_ledger();
    write(&dir, "in.csv", INPUT);
    write_job(&dir, "job-1", &["c-1", "held-1", "c-2", "c-3"]);
    let ran = release(&dir, "in.csv", "out.csv", &[])
        .exits(0)
        .prints("ALLOW")
        .prints("released")
        .prints("2 customers, to out.csv")
        .prints("1 customers, whom the decision excludes")
        .prints("1 customers, who weren't in in.csv");
    assert_eq!(std::fs::read_to_string(dir.path().join("out.csv")).unwrap(), OUTPUT);
    assert_eq!(state(&dir, "job-1"), Some((JobState::Committed, 2)));
    check_no_secret(&dir, &ran, &["in.csv"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join("out.csv")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for its owner alone");
    }
    // Once: the same job again, and a file that is there, are refused.
    release(&dir, "in.csv", "out.csv", &[])
        .exits(5)
        .complains("can't write `out.csv`: there is something already")
        .complains("help: name a file that isn't there yet");
    let again = release(&dir, "in.csv", "out2.csv", &["--json"]).exits(1);
    assert_eq!(again.json()["verdict"], "deny");
    assert!(again.json()["cause"].as_str().unwrap().contains("job `job-1` was committed, with 2 customers"));
    assert_eq!(names(dir.path()).iter().filter(|name| name.starts_with("out")).count(), 1);
    let json = {
        write_job(&dir, "job-2", &["c-1", "held-1", "c-2"]);
        release(&dir, "in.csv", "out2.csv", &["--json"]).exits(0).json()
    };
    assert_eq!(json["released"], serde_json::json!({ "left": 2, "excluded": 1, "absent": 0, "unfit": 0 }));
}

#[test]
fn formats_go_into_each_other_and_hold_the_same() {
    let dir = with_ledger();
    write(&dir, "a.csv", INPUT.replace("=basic", "basic"));
    let expected = OUTPUT.replace("'=basic", "basic");
    let mut from = "a.csv".to_owned();
    // What one release wrote, the next reads; the columns of the watermark stay behind.
    for (number, to) in ["b.parquet", "c.sqlite", "d.parquet", "e.db", "f.csv"].into_iter().enumerate() {
        write_job(&dir, &format!("job-{number}"), &["c-1", "held-1", "c-2"]);
        let ran = release(&dir, &from, to, &[]).exits(0).prints("2 customers, to");
        check_no_secret(&dir, &ran, &["a.csv"]);
        from = to.to_owned();
    }
    let text = std::fs::read_to_string(dir.path().join("f.csv")).unwrap();
    assert_eq!(text, expected);
    assert!(names(dir.path()).iter().all(|name| !name.starts_with(".exportgate-")));
}

/// A SQLite file with the rows of [`INPUT`], numbers as numbers.
fn sqlite(dir: &TempDir, name: &str) -> Connection {
    let database = Connection::open(dir.path().join(name)).unwrap();
    database
        .execute_batch(
            "create table people (customer text, name text, mail text, plan, hash blob);
             insert into people values ('c-1', 'Ana Bo', 'ana.bo@example.com', 12.5, null), ('c-2', null, 'x', 7, 'S3CR3T');
             create table other (a)",
        )
        .unwrap();
    database
}

const PEOPLE: [&str; 12] = [
    "--table",
    "people",
    "--customer-column",
    "customer",
    "--column",
    "customer.name=name",
    "--column",
    "customer.email=mail",
    "--column",
    "account.plan=plan",
    "--column",
    "account.password_hash=hash",
];

#[test]
fn sqlite_is_read_by_table_and_column() {
    let dir = with_ledger();
    let database = sqlite(&dir, "in.sqlite");
    write_job(&dir, "job-1", &["c-1", "c-2"]);
    let ran = release(&dir, "in.sqlite", "out.csv", &PEOPLE).exits(0).prints("1 values, which can't be shown in part");
    let expected = "customer,customer.name,customer.email,account.plan,account.password_hash,watermark_agent,watermark_ticket\n\
        c-1,****,a***@***,12.5,,ana,t-c-1\nc-2,,,7,,ana,t-c-2\n";
    assert_eq!(std::fs::read_to_string(dir.path().join("out.csv")).unwrap(), expected);
    check_no_secret(&dir, &ran, &["in.sqlite"]);
    let refused = |more: &[&str], complaint: &str| {
        write_job(&dir, "job-2", &["c-1", "c-2"]);
        let ran = release(&dir, "in.sqlite", "out2.csv", more).exits(3).complains(complaint);
        check_no_secret(&dir, &ran, &["in.sqlite"]);
        assert!(!dir.path().join("out2.csv").exists());
        assert_eq!(state(&dir, "job-2"), None, "nothing was asked");
    };
    refused(&[], "can't use `in.sqlite`: it has 2 tables: `people`, `other`");
    refused(&["--table", "person"], "it has no table `person`, but `people`, `other`");
    refused(&PEOPLE[..10], "table `people`: it has no column `account.password_hash`");
    refused(&["--column", "mail"], "`--column`: `mail` isn't a field and its column: write `FIELD=COLUMN`");
    // A writer holds the file: said at once, and nothing is asked.
    database.execute_batch("begin exclusive").unwrap();
    refused(&PEOPLE, "can't use `in.sqlite`: it is locked: another program is writing to it");
    database.execute_batch("rollback; update people set hash = x'00ff'").unwrap();
    write_job(&dir, "job-3", &["c-1", "c-2"]);
    release(&dir, "in.sqlite", "out2.csv", &PEOPLE).exits(3).complains(
        "can't use `in.sqlite`: row 1 can't be read: column `hash` holds a blob, expected a text or a number",
    );
    assert_eq!(state(&dir, "job-3"), Some((JobState::Cancelled, 0)));
    database.execute_batch("update people set hash = cast(x'ff' as text)").unwrap();
    write_job(&dir, "job-4", &["c-1", "c-2"]);
    release(&dir, "in.sqlite", "out2.csv", &PEOPLE)
        .exits(3)
        .complains("row 1 can't be read: the value in column `hash` isn't UTF-8");
    write(&dir, "none.sqlite", "S3CR3T isn't a database".repeat(100));
    release(&dir, "none.sqlite", "out2.csv", &PEOPLE)
        .exits(3)
        .complains("can't use `none.sqlite`: it isn't a SQLite file");
}

#[test]
fn csv_that_is_not_whole_releases_nothing() {
    let dir = with_ledger();
    let mut number = 0;
    let mut refused = |input: &[u8], complaint: &str| {
        number += 1;
        let job = format!("job-{number}");
        write_job(&dir, &job, &["c-1", "c-2"]);
        write(&dir, "in.csv", input);
        let ran = release(&dir, "in.csv", "out.csv", &[]).exits(3).complains(complaint).complains("help:");
        check_no_secret(&dir, &ran, &["in.csv"]);
        assert!(names(dir.path()).iter().all(|name| !name.starts_with("out") && !name.starts_with(".exportgate")));
        assert!(matches!(state(&dir, &job), None | Some((JobState::Cancelled, 0))));
    };
    let rows = |rows: &str| [HEADER, rows].concat().into_bytes();
    refused(
        &rows("c-1,a,b,c,d,S3CR3T\nc-2,S3CR3T,b\n"),
        "can't use `in.csv`: row 2 can't be read: line 3 has 3 cells, expected 6 as in the first line",
    );
    refused(&rows("c-1,a,b,c,d,e,S3CR3T\n"), "row 1 can't be read: line 2 has 7 cells, expected 6");
    let mut latin = rows("c-1,a,b,c,S3CR3T");
    latin.extend(b"\xe4,e\n");
    refused(&latin, "row 1 can't be read: line 2: the cell in column `account.plan` isn't UTF-8");
    refused(b"id,\xff\n", "can't use `in.csv`: line 1 isn't UTF-8");
    refused(&rows("S3CR3T,a,b,c,d,e\n"), "row 1 is of a customer about whom nothing was decided");
    refused(&rows("c-1,a,b,c,d,e\nc-1,a,b,c,d,S3CR3T\n"), "row 2 is of a customer who had a row before");
    refused(b"", "can't use `in.csv`: it has no column `id`");
    refused(b"id;customer.name\n", "it has no column `id`");
    refused(b"id,id,customer.name\n", "it has the column `id` twice");
    refused(b"id,customer.name\n", "it has no column `customer.email`");
    // Read as they stand, these would put one customer's values into another's.
    refused(&rows("c-1,a,b,c,d,\"S3CR3T\nc-2,a,b,c,d,e\n"), "line 2: a quote is never closed");
    refused(
        &rows("c-1,a,b,c,\"d,S3CR3T\nc-2,a,b,c,\"S3CR3T\",e\n"),
        "line 3: a quote within a cell with quotes around it",
    );
    refused(&rows("c-1,a,b,c,5\",S3CR3T\n"), "line 2: a quote stands within a cell that has none around it");
}

#[test]
fn a_row_of_csv_that_never_ends_is_not_read_whole() {
    let dir = with_ledger();
    write_job(&dir, "job-1", &["c-1"]);
    let path = write_huge(&dir, "in.csv", 1 << 30);
    use std::io::{Seek, SeekFrom, Write};
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all([HEADER, "c-1,a,b,c,d,\""].concat().as_bytes()).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    let message = "row 1 can't be read: a row is larger than 67108864 bytes: is a quote never closed?";
    release(&dir, "in.csv", "out.csv", &[]).exits(3).complains(message);
    assert_eq!(state(&dir, "job-1"), Some((JobState::Cancelled, 0)));
}

#[test]
fn files_and_places_that_cannot_be_used_are_told_before_anything_is_asked() {
    let dir = with_ledger();
    write(&dir, "in.csv", INPUT);
    write(&dir, "in.parquet", "PAR1 S3CR3T PAR1");
    write(&dir, "in.xlsx", "x");
    std::fs::create_dir(dir.path().join("folder.csv")).unwrap();
    write_job(&dir, "job-1", &["c-1", "c-2", "held-1"]);
    let before = names(dir.path());
    let refused = |input: &str, output: &str, more: &[&str], code, complaint: &str| {
        let ran = release(&dir, input, output, more).exits(code).complains(complaint);
        check_no_secret(&dir, &ran, &["in.csv", "in.parquet"]);
        assert_eq!(state(&dir, "job-1"), None);
    };
    refused("none.csv", "out.csv", &[], 3, "can't use `none.csv`: there is no such file");
    refused("folder.csv", "out.csv", &[], 3, "it is a directory, expected a file");
    refused("in.xlsx", "out.csv", &[], 3, "can't use `in.xlsx`: its ending doesn't say what it is");
    refused("in.csv", "out.txt", &[], 3, "can't use `out.txt`: its ending doesn't say what it is");
    refused("in.csv", "out.csv", &["--table", "x"], 3, "can't use `in.csv`: it has no tables");
    refused("in.parquet", "out.csv", &[], 3, "can't use `in.parquet`: it isn't Parquet, or damaged");
    refused("in.csv", "none/out.csv", &[], 5, "can't write `none/out.csv`");
    refused("in.csv", "folder.csv", &[], 5, "can't write `folder.csv`: there is something already");
    refused("in.csv", "in.csv", &[], 5, "can't write `in.csv`: there is something already");
    refused("in.csv", "out.csv", &["--carry-out", "watermark"], 3, "expected `alert`, `notify` or `retain`");
    let config = std::fs::read_to_string(dir.path().join("exportgate.toml")).unwrap();
    write(&dir, "exportgate.toml", format!("{config}\n[release]\ntoken_key_file = 'token.key'\n"));
    refused("in.csv", "out.csv", &[], 3, "tokens: the key file `token.key` can't be used");
    write(&dir, "exportgate.toml", config);
    let left: Vec<String> = names(dir.path()).into_iter().filter(|name| !name.starts_with("ledger.sqlite-")).collect();
    assert_eq!(left, before);
}

#[test]
fn jobs_that_may_not_leave_release_nothing() {
    let dir = with_ledger();
    write(&dir, "in.csv", INPUT);
    write_job(&dir, "job-1", &["loose-1", "c-1"]);
    release(&dir, "in.csv", "out.csv", &[]).exits(1).prints("DENY");
    run(dir.path(), &["revoke", "ana"]).exits(0);
    write_job(&dir, "job-2", &["c-1", "c-2", "held-1"]);
    release(&dir, "in.csv", "out.csv", &[]).exits(1).prints("agent `ana` is revoked since");
    run(dir.path(), &["reinstate", "ana"]).exits(0);
    // A permit that was used by somebody else.
    let json = run(dir.path(), &["ask", "--job", "job.json", "--json"]).exits(0).json();
    run(dir.path(), &["use", json["permit"].as_str().unwrap()]).exits(0);
    release(&dir, "in.csv", "out.csv", &[]).exits(1).prints("the permit of job `job-2` was used at");
    // One that was asked, and not used, is released under its id.
    write_job(&dir, "job-3", &["c-1", "c-2", "held-1"]);
    run(dir.path(), &["ask", "--job", "job.json"]).exits(0);
    release(&dir, "in.csv", "out.csv", &[]).exits(0);
    assert_eq!(state(&dir, "job-3"), Some((JobState::Committed, 2)));
}

#[test]
fn obligations_must_be_carried_out_by_somebody() {
    let dir = with_ledger();
    write(&dir, "in.csv", INPUT);
    edit(&dir, "pack/policies/grants.cedar", "@watermark(\"agent,ticket\")", "@alert(\"info\")\n@retain(\"30d\")");
    run(dir.path(), &["build", "pack", "-o", "my-pack.wasm"]).exits(0);
    let digest = ask::digest(dir.path(), "my-pack.wasm");
    let config = std::fs::read_to_string(dir.path().join("exportgate.toml")).unwrap();
    let pinned = config.split("sha256 = '").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let config = config.replace(&pinned, &digest).replace("'alert'", "'alert', 'retain'");
    write(&dir, "exportgate.toml", config);
    write_job(&dir, "job-1", &["c-1", "c-2", "held-1"]);
    release(&dir, "in.csv", "out.csv", &["--carry-out", "alert"])
        .exits(1)
        .complains("nothing may leave: the decision demands `retain`, which nobody carries out here")
        .complains("see to it and say `--carry-out retain`, asking under a new id");
    assert_eq!(state(&dir, "job-1"), Some((JobState::Cancelled, 0)));
    write_job(&dir, "job-2", &["c-1", "c-2", "held-1"]);
    release(&dir, "in.csv", "out.csv", &["--carry-out", "alert,retain"]).exits(0);
    assert!(!std::fs::read_to_string(dir.path().join("out.csv")).unwrap().contains("watermark"));
}

/// A release that is killed half way: no file has the name, and all of the job counts.
#[cfg(unix)]
#[test]
fn a_release_that_is_killed_leaves_no_file_and_counts_all() {
    use std::io::Write;

    let dir = with_ledger();
    write_job(&dir, "job-1", &["c-1", "c-2"]);
    assert!(Command::new("mkfifo").arg(dir.path().join("in.csv")).status().unwrap().success());
    let mut child = Command::new(env!("CARGO_BIN_EXE_exportgate"))
        .args(["release", "--job", "job.json", "--in", "in.csv", "--out", "out.csv"])
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = std::fs::OpenOptions::new().write(true).open(dir.path().join("in.csv")).unwrap();
    pipe.write_all([HEADER, "c-1,a,b,c,d,e\nc-2,\""].concat().as_bytes()).unwrap();
    // More than a pipe holds: when all of it went in, the release is reading rows, its permit used.
    pipe.write_all(&vec![b'x'; 1 << 20]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let left =
        |name: &String| name.starts_with("out") || (cfg!(target_os = "linux") && name.starts_with(".exportgate"));
    assert!(!names(dir.path()).iter().any(left));
    assert_eq!(state(&dir, "job-1"), Some((JobState::Reserved, 2)));
    write(&dir, "rows.csv", INPUT);
    let again = run(dir.path(), &["release", "--job", "job.json", "--in", "rows.csv", "--out", "out.csv"]);
    again.exits(1).prints("the permit of job `job-1` was used at");
    // Who knows that nothing left says so.
    run(dir.path(), &["cancel", "job-1"]).exits(0);
    assert_eq!(state(&dir, "job-1"), Some((JobState::Cancelled, 0)));
    run(dir.path(), &["ledger", "verify"]).exits(0);
}

/// A disk that is full: files may grow to half a mebibyte, and the output is larger.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_ends_a_release_with_no_file_and_nothing_left() {
    let dir = with_ledger();
    let plan: String = (0..600_000_u32).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9))).collect();
    write(&dir, "in.csv", [HEADER, "c-1,a,b,c,", &plan, ",e\n"].concat());
    for (number, out) in ["out.csv", "out.parquet", "out.sqlite"].into_iter().enumerate() {
        let job = format!("job-{number}");
        write_job(&dir, &job, &["c-1"]);
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_exportgate")])
            .args(["release", "--job", "job.json", "--in", "in.csv", "--out", out])
            .current_dir(dir.path())
            .output()
            .unwrap();
        let ran = Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        ran.exits(5)
            .complains(&format!("can't write `{out}`: the rows can't be written: "))
            .complains("help: make room, or name another place, and ask again under a new id: nothing left");
        assert_eq!(state(&dir, &job), Some((JobState::Cancelled, 0)));
        assert!(!names(dir.path()).iter().any(|name| name.starts_with("out") || name.starts_with(".exportgate")));
        run(dir.path(), &["ledger", "verify"]).exits(0);
    }
}

"""towbar spool on a spool where everything runs, and by a user who may not look."""

import json
import os
import random
import select
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import spool_reader  # noqa: E402
import towbar  # noqa: E402

NOBODY = 65534
N_LOOKS, N_REPORTS = 24, 10


class SpoolCliTest(towbar.Case):
    def spool_verb(self, *words, check=0):
        return self.towbar("spool", *words, "--spool", self.spool, check=check)

    def spool_json(self, *words, check=0):
        done = self.spool_verb(*words, "--json", check=check)
        return [json.loads(line) for line in done.stdout.split("\n") if line]

    def put_segment(self, frames):
        """A segment made by the page (docs/spool-format.md 2, 3) of (kind, uuid, payload)."""
        salt, crc = 7, spool_reader.crc32c
        data = b"TOWBAR\0\1" + bytes((1, 0, 128, 0, 1, 0, 0, 0)) + salt.to_bytes(4, "little")
        data += bytes(12) + random.randbytes(16) + bytes(76)
        data += crc(0, data).to_bytes(4, "little")
        for seq, (kind, uuid, payload) in enumerate(frames):
            rest = struct.pack("<II", len(payload), crc(salt, payload)) + bytes((1, 1, kind, 0))
            rest += struct.pack("<IQQ", len(data) // 8, seq, time.time_ns()) + uuid
            data += b"TBF1" + crc(salt, rest).to_bytes(4, "little") + rest + payload
            data += bytes(-len(data) % 8)
        os.makedirs(os.path.join(self.spool, "in"), exist_ok=True)
        name = f"1-00000000-{random.randbytes(8).hex()}-0.seg"
        with open(os.path.join(self.spool, "in", name), "wb") as file:
            file.write(data)

    def test_looking_while_everything_runs_disturbs_nothing(self):
        many = self.compile("many.c")
        paced = self.start(many, "100000", "paced", stdin=subprocess.PIPE)
        verbs = (["ls"], ["cat"], ["cat", "--all"], ["verify"])
        with self.agent() as agent:
            for i in range(N_LOOKS):
                verb = verbs[i % len(verbs)]
                look = self.start_tool("spool", *verb, "--json", "--spool", self.spool)
                for _ in range(4):  # While it looks.
                    paced.stdin.write("go\n" * N_REPORTS)
                    paced.stdin.flush()
                    said = [paced.stdout.readline().split()[0] for _ in range(N_REPORTS)]
                    self.assertEqual(said, ["ok"] * N_REPORTS)
                out, err = look.communicate(timeout=towbar.DEADLINE_S)
                self.assertEqual((look.returncode, err), (0, ""), out)
                for line in out.split("\n"):
                    self.assertNotEqual(json.loads(line or "{}").get("ok"), False, line)
            n = N_LOOKS * 4 * N_REPORTS
            self.wait_status(lambda status: status["occurrences"] == n)
            (live,) = [f for f in self.spool_json("ls") if f["kind"] == "segment"]
            self.assertEqual((live["state"], live["records"]), ("live", n))
            self.assertEqual((live["lost"], live["damaged"]), (0, 0))
            self.assertNotIn("damaged", agent.log)
        paced.stdin.close()

    def start_tool(self, *words):
        return subprocess.Popen(
            [towbar.binary("towbar"), *words], env=self.agent_env(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def test_retry_and_rm_work_beside_a_running_agent(self):
        with self.agent() as agent:
            uuid = random.randbytes(16)
            self.put_segment([(spool_reader.ITEM, uuid, b"no JSON")])
            agent.wait_log("went to quarantine")
            thing = self.quarantined(1)[0]
            self.assertEqual(thing["records"], 1)
            self.assertIn("a value expected at byte 0", thing["note"])
            (record,) = self.spool_json("cat", thing["name"])
            self.assert_record(record, uuid, "no JSON")
            done = self.spool_verb("retry", thing["name"])
            self.assertIn("the agent takes it in within a second", done.stdout)
            # It is no better, so it comes back, from a file with a name of its own.
            again = self.quarantined(1, but=thing["name"])[0]
            self.assertNotEqual(again["name"], thing["name"])
            (record,) = self.spool_json("cat", again["name"])
            self.assert_record(record, uuid, "no JSON")
            self.spool_verb("rm", again["name"])
            self.assertEqual(self.quarantined(0), [])
            self.spool_verb("verify")

    def assert_record(self, record, uuid, data):
        self.assertEqual((record["uuid"].replace("-", ""), record["data"]), (uuid.hex(), data))

    def quarantined(self, n, but=None):
        """Waits until so many things are in quarantine."""
        end = time.monotonic() + towbar.DEADLINE_S
        while True:
            things = [f for f in self.spool_json("ls") if f["place"] == "quarantine"]
            if len(things) == n and but not in [thing["name"] for thing in things]:
                return things
            self.assertLess(time.monotonic(), end, things)
            select.select([], [], [], 0.02)  # Nothing tells; asked again until the deadline.

    def test_a_crash_comes_back_from_quarantine_as_the_same_item(self):
        """A crash that an agent put away by mistake is stored as it would have been at first."""
        job = self.compile("job.c")
        self.run_program(job, "crash")
        (crash,) = [r for r in self.spool_json("cat") if r["kind"] == "crash"]
        (slot,) = [f["name"] for f in self.spool_json("ls") if f["records"] == 1]
        agent = os.path.join(self.spool, "agent")
        os.makedirs(os.path.join(agent, "quarantine"), mode=0o700)
        os.rename(
            os.path.join(self.spool, "in", slot), os.path.join(agent, "quarantine", slot)
        )
        self.once()
        self.assertEqual(self.occurrences(), [])
        self.spool_verb("retry", "--all")
        self.once()
        (item,) = self.occurrences()
        self.assertEqual(item["uuid"], crash["uuid"])
        self.assertEqual(item["body"]["trace"]["frames"][-1]["method"], "push")
        self.assertEqual(self.spool_json("ls"), [])

    def test_a_crash_as_a_record_of_its_own_is_a_whole_item(self):
        """The form in which quarantine keeps a crash of a slot, and from which it is retried."""
        self.run_program(self.compile("job.c"), "crash")
        (slot,) = [file for file in spool_reader.read_spool(self.spool) if file.records]
        (crash,) = slot.records
        uuid = bytes.fromhex(crash.uuid.replace("-", ""))
        os.remove(os.path.join(self.spool, "in", slot.name))
        generation = slot.processes[0][8:16]
        self.put_segment(
            [
                (spool_reader.PROCESS, generation + bytes(8), slot.processes[0]),
                (spool_reader.CRASH, uuid, crash.data),
            ]
        )
        self.once()
        (item,) = self.occurrences()
        self.assertEqual(item["uuid"], crash.uuid)
        self.assertEqual(item["body"]["trace"]["exception"]["class"], "SIGSEGV")
        frames = item["body"]["trace"]["frames"]
        self.assertEqual(frames[-1]["method"], "push")
        self.assertTrue(frames[-1]["filename"].endswith("job.c"))
        self.assertEqual(self.spool_json("ls"), [])

    @unittest.skipUnless(os.geteuid() == 0, "needs a second user, so root")
    def test_another_user_hears_who_may_look_into_a_drop_box(self):
        os.chmod(self.folder, 0o755)
        self.run_program(self.compile("many.c"), "2", check=0)
        os.makedirs(os.path.join(self.spool, "agent"), mode=0o700)
        os.chmod(self.spool, 0o755)
        os.chmod(os.path.join(self.spool, "in"), 0o3733)
        for verb in (("ls",), ("cat",), ("verify",), ("retry", "--all"), ("rm", "--all")):
            done = self.as_nobody(*verb)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("only root and user root may look into; ask as one of", done.stderr)
        # A spool that all may read, but for the agent's part.
        os.chmod(os.path.join(self.spool, "in"), 0o755)
        for name in os.listdir(os.path.join(self.spool, "in")):
            os.chmod(os.path.join(self.spool, "in", name), 0o644)
        done = self.as_nobody("cat")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("report "), 2)
        self.assertIn("the agent's part of the spool cannot be read", done.stderr)
        self.assertEqual(self.as_nobody("retry", "--all").returncode, 1)

    def as_nobody(self, *words):
        return subprocess.run(
            [towbar.binary("towbar"), "spool", *words, "--spool", self.spool],
            env=self.agent_env(), user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True,
            text=True, timeout=towbar.DEADLINE_S, check=False,
        )  # fmt: skip

    def test_a_reader_that_goes_away_ends_it(self):
        self.run_program(self.compile("many.c"), "50", check=0)
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as out:
            done = subprocess.run(
                [towbar.binary("towbar"), "spool", "cat", "--json", "--spool", self.spool],
                env=self.agent_env(), stdout=out, stderr=subprocess.PIPE, timeout=towbar.DEADLINE_S,
                check=False, restore_signals=False,
            )  # fmt: skip
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()

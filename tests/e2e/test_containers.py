"""Cruddur's Dockerfiles and compose file, without a container engine: every name in them means
something in the code, and what is copied can be built. tests/interop runs their steps."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import containers  # noqa: E402
import towbar  # noqa: E402

CRUDDUR = os.path.join(towbar.SOURCE, "samples", "cruddur")
BACKEND = os.path.join(CRUDDUR, "backend-flask")
# What only the packages of requirements-aws.txt read.
READ_BY_SDKS = {
    "OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_HEADERS", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
}  # fmt: skip


def text_of(*folders, suffixes):
    texts = []
    for folder in folders:
        for parent, _, names in os.walk(os.path.join(towbar.SOURCE, folder)):
            for name in sorted(names):
                if name.endswith(suffixes):
                    with open(os.path.join(parent, name), encoding="utf-8") as file:
                        texts.append(file.read())
    return "\n".join(texts)


class Containers(unittest.TestCase):
    def setUp(self):
        self.compose = containers.read_yaml(os.path.join(CRUDDUR, "docker-compose.yml"))
        self.services = self.compose["services"]
        self.backend = containers.Dockerfile(os.path.join(BACKEND, "Dockerfile"))
        self.daemons = containers.Dockerfile(os.path.join(CRUDDUR, "Dockerfile.daemons"))

    def test_every_service_has_its_dockerfile_and_context(self):
        self.assertEqual(sorted(self.services), ["backend-flask", "feedd", "towbard"])
        for name, service in self.services.items():
            build = service["build"]
            if isinstance(build, str):
                build = {"context": build, "dockerfile": "Dockerfile"}
            context = os.path.normpath(os.path.join(CRUDDUR, build["context"]))
            path = os.path.join(context, build["dockerfile"])
            dockerfile = self.backend if name == "backend-flask" else self.daemons
            self.assertEqual(path, dockerfile.path)
            for source, _ in dockerfile.copies():
                self.assertTrue(os.path.exists(os.path.join(context, source)), source)

    def test_every_key_of_a_service_is_known(self):
        known = {"build", "command", "depends_on", "environment", "init", "network_mode", "ports",
                 "restart", "volumes"}  # fmt: skip
        self.assertEqual(set(self.compose), {"services", "volumes"})
        for service in self.services.values():
            self.assertLessEqual(set(service), known)

    def test_every_variable_is_read_by_the_program_that_gets_it(self):
        code = {
            "backend-flask": text_of("samples/cruddur/backend-flask", suffixes=(".py",)),
            "feedd": text_of("src/capture", suffixes=(".c",)),
            "towbard": text_of("src/agent", suffixes=(".c",)),
        }
        for name, service in self.services.items():
            for variable in service["environment"]:
                self.assertIn(f'"{variable}"', code[name], f"{name} does not read it")

    def test_what_comes_on_top_for_four_systems_is_read_too(self):
        services = containers.read_yaml(os.path.join(CRUDDUR, "docker-compose.aws.yml"))["services"]
        self.assertEqual(sorted(services), ["backend-flask", "towbard", "xray-daemon"])
        backend, agent = services["backend-flask"], services["towbard"]
        requirements = backend["build"]["args"]["REQUIREMENTS"]
        self.assertIn(["requirements-aws.txt"] * 2, self.backend.copies())
        self.assertEqual(requirements, "requirements-aws.txt")
        code = text_of("samples/cruddur/backend-flask", suffixes=(".py",))
        for variable in set(backend["environment"]) - READ_BY_SDKS:
            self.assertIn(variable, code)
        code = text_of("src/agent", suffixes=(".c", ".h"))
        for variable in agent["environment"]:
            # Of a key of the settings the name is made: TOWBAR_, the section, the key.
            known = variable.replace("TOWBAR_CLOUDWATCH_", "").lower()
            self.assertTrue(f'"{variable}"' in code or f'"{known}"' in code, variable)
        # One daemon and one log group for both.
        for name in ("AWS_XRAY_DAEMON_ADDRESS", "AWS_XRAY_URL"):
            self.assertEqual(backend["environment"][name], agent["environment"][name])
        self.assertEqual(
            backend["environment"]["CLOUDWATCH_LOG_GROUP"],
            agent["environment"]["TOWBAR_CLOUDWATCH_LOG_GROUP"],
        )
        address = backend["environment"]["AWS_XRAY_DAEMON_ADDRESS"]
        self.assertEqual(address, "xray-daemon:2000")
        self.assertEqual(services["xray-daemon"]["ports"], ["2000:2000/udp", "2000:2000/tcp"])

    def test_the_ports_are_those_that_the_programs_use(self):
        (port,) = self.backend.ports
        self.assertIn(f"--port={port}", self.backend.command)
        self.assertEqual(self.services["backend-flask"]["ports"], [f"{port}:{port}"])
        environment = self.services["backend-flask"]["environment"]
        program, feedd_port = self.services["feedd"]["command"]
        self.assertEqual(program, "feedd")
        self.assertEqual(environment["FEEDD_URL"], f"http://127.0.0.1:{feedd_port}")
        config = text_of("src/agent", suffixes=(".c", ".h"))
        listen = re.search(r'"(127\.0\.0\.1:\d+)"', config).group(1)
        self.assertEqual(environment["TOWBAR_ENDPOINT"], f"http://{listen}/api/1/")
        # Both are the programs' own defaults too.
        code = text_of("samples/cruddur/backend-flask", suffixes=(".py",))
        for name in ("FEEDD_URL", "TOWBAR_ENDPOINT"):
            self.assertIn(f'"{environment[name]}"', code)

    def test_who_is_called_on_loopback_shares_the_network(self):
        for name in ("feedd", "towbard"):
            self.assertEqual(self.services[name]["network_mode"], "service:backend-flask")
            self.assertNotIn("ports", self.services[name])

    def test_the_volumes_are_where_the_programs_look(self):
        client = text_of("samples/cruddur/backend-flask", suffixes=("towbar.py",))
        spool = re.search(r'SYSTEM_SPOOL = "(.+)"', client).group(1)
        socket = os.path.dirname(re.search(r'SYSTEM_SOCKET = "(.+)"', client).group(1))
        agent = text_of("src/agent", suffixes=(".c", ".h"))
        state = re.search(r'#define SYSTEM_STATE "(.+)"', agent).group(1)
        self.assertIn(f'"{spool}"', agent)
        self.assertIn(f'"{socket}/', agent)
        self.assertIn(f'"{spool}"', text_of("src/capture", suffixes=(".c",)))
        wanted = {
            "backend-flask": [f"spool:{spool}", f"socket:{socket}"],
            "feedd": [f"spool:{spool}"],
            "towbard": [f"spool:{spool}", f"socket:{socket}", f"state:{state}"],
        }
        for name, service in self.services.items():
            named = [v for v in service["volumes"] if not v.startswith(".")]
            self.assertEqual(sorted(named), sorted(wanted[name]))
        self.assertEqual(sorted(self.compose["volumes"]), ["socket", "spool", "state"])
        self.assertIn(
            f"./backend-flask:{self.backend.workdir}", self.services["backend-flask"]["volumes"]
        )

    def test_the_daemons_are_where_the_path_leads(self):
        folder = self.daemons.env["PATH"].split(":")[0]
        self.assertEqual(folder, f"{self.daemons.workdir}/build/bin")
        for name in ("feedd", "towbard"):
            program = self.services[name]["command"][0]
            self.assertTrue(os.access(towbar.binary(program), os.X_OK), program)
        self.assertEqual(self.daemons.command, ["towbard"])

    def test_the_requirements_are_pinned(self):
        for name in ("requirements.txt", "requirements-aws.txt"):
            with open(os.path.join(BACKEND, name), encoding="utf-8") as file:
                lines = [line for line in file.read().splitlines() if not line.startswith(("#", "-r "))]
            self.assertTrue(lines)
            for line in lines:
                self.assertRegex(line, r"^[\w-]+==[0-9.b]+$")

    def test_what_is_copied_for_the_daemons_can_be_configured(self):
        ran = []
        with tempfile.TemporaryDirectory(prefix="towbar-e2e.", dir="/tmp") as folder:
            self.daemons.build(towbar.SOURCE, folder, ran.append)
            done = subprocess.run(
                ["cmake", "-S", ".", "-B", "build", "-DTOWBAR_TESTS=OFF"], cwd=folder,
                capture_output=True, text=True, timeout=towbar.DEADLINE_S, check=False,
            )  # fmt: skip
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for line, function in zip(ran, ("install_packages build run", "build build -D")):
            self.assertRegex(line, rf"^\. src/dist/setup\.sh && {re.escape(function)}")
        self.assertEqual(len(ran), 2)

    def test_the_reader_passes_nothing_over(self):
        for text in ("a: &x 1\n", "a:\n  - b: c\n", "a: 1\na: 2\n", "\ta: 1\n", "a: {b: c}\n",
                     "a: |\n  text\n", "a:\n    b: 1\n  c: 2\n", "- a\nb: 1\n"):  # fmt: skip
            with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
                file.write(text)
                file.flush()
                with self.assertRaises(ValueError, msg=text):
                    containers.read_yaml(file.name)
        for text in ("FROM a\nADD b c\n", "RUN a\n", "FROM a\nRUN b \\\n  c\n", "FROM a\nFROM b\n"):
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(text)
                file.flush()
                with self.assertRaises(ValueError, msg=text):
                    containers.Dockerfile(file.name)


if __name__ == "__main__":
    unittest.main()

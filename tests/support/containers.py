"""Reads as much of a Dockerfile and of a compose file as Cruddur's need, and nothing else: what it
does not know is an error, so that no step is passed over unseen."""

import json
import os
import re
import shutil

INSTRUCTIONS = ("FROM", "WORKDIR", "ARG", "COPY", "RUN", "ENV", "EXPOSE", "CMD")


def fill(text, values):
    """${NAME} and ${NAME:-default} as Docker and compose fill them in."""

    def one(match):
        name, default = match.group(1), match.group(2)
        if name in values and (values[name] or default is None):
            return values[name]
        if default is None:
            raise ValueError(f"${{{name}}} is not set in {text!r}")
        return default

    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", one, text)


class Dockerfile:
    """steps: (instruction, argument) in order."""

    def __init__(self, path):
        self.path = path
        self.steps = []
        with open(path, encoding="utf-8") as file:
            for line in file:
                line = line.strip()
                if not line or line.startswith("#"):
                    continue
                word, _, rest = line.partition(" ")
                if word not in INSTRUCTIONS or not rest or rest.endswith("\\"):
                    raise ValueError(f"{path}: {line}")
                self.steps.append((word, rest.strip()))
        if self.steps[0][0] != "FROM" or len(self.all("FROM")) != 1:
            raise ValueError(f"{path}: begins with FROM, and has one")

    def all(self, word):
        return [rest for step, rest in self.steps if step == word]

    @property
    def env(self):
        pairs = [rest.split("=", 1) for rest in self.all("ENV")]
        return dict(pairs)

    @property
    def workdir(self):
        (folder,) = self.all("WORKDIR")
        return folder

    @property
    def command(self):
        (text,) = self.all("CMD")
        return json.loads(text)

    @property
    def ports(self):
        return [int(fill(text, self.env)) for text in self.all("EXPOSE")]

    def copies(self):
        return [rest.split() for rest in self.all("COPY")]

    @property
    def args(self):
        return dict(rest.split("=", 1) for rest in self.all("ARG"))

    def build(self, context, folder, run, args=()):
        """The steps in folder, which stands for WORKDIR. run(line) does what RUN says."""
        known = {**self.args, **dict(args)}
        for word, rest in self.steps:
            if word == "RUN":
                run(fill(rest, known) if known else rest)
            elif word == "COPY":
                source, target = rest.split()
                copy(os.path.join(context, source), os.path.join(folder, target))


def copy(source, target):
    """As COPY: the contents of a folder, or a file."""
    os.makedirs(os.path.dirname(target.rstrip("/.")) or "/", exist_ok=True)
    if os.path.isdir(source):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignore)
    else:
        shutil.copy2(source, target)


def read_yaml(path):
    """Maps, lists of scalars, flow lists of strings; scalars are strings."""
    lines = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            text = line.rstrip("\n")
            if text.strip() and not text.lstrip().startswith("#"):
                if "\t" in text:
                    raise ValueError(f"{path}:{number}: a tab")
                lines.append((len(text) - len(text.lstrip()), text.strip(), f"{path}:{number}"))
    value, rest = block(lines, 0)
    if rest:
        raise ValueError(f"{rest[0][2]}: {rest[0][1]}")
    return value


def block(lines, indent):
    is_list = lines[0][1].startswith("- ")
    value = [] if is_list else {}
    while lines and lines[0][0] == indent:
        _, text, where = lines[0]
        lines = lines[1:]
        if is_list:
            if not text.startswith("- "):
                raise ValueError(f"{where}: {text}")
            value.append(scalar(text[2:].strip(), where))
            continue
        match = re.fullmatch(r"([\w-]+):(?:\s+(.+))?", text)
        if not match or match.group(1) in value:
            raise ValueError(f"{where}: {text}")
        key, plain = match.groups()
        if plain is not None:
            value[key] = scalar(plain, where)
        elif lines and lines[0][0] > indent:
            value[key], lines = block(lines, lines[0][0])
        else:
            value[key] = None
    if lines and lines[0][0] > indent:
        raise ValueError(f"{lines[0][2]}: {lines[0][1]}")
    return value, lines


def scalar(text, where):
    if text.startswith(("[", '"')):
        return json.loads(text)
    if re.fullmatch(r"[\w./:-]+", text) and not text.endswith(":"):
        return text
    raise ValueError(f"{where}: {text}")

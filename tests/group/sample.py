"""Which builds of the corpus are made: a sample of a few seconds, or all of them."""

import corpus
import towbar


def add_sample(made):
    """The levels that differ most, by each compiler that is there."""
    build = corpus.Build("gcc", "-O2", True, False)
    made.add(build, corpus.FORMS if not towbar.SANITIZE else ("debug", "stripped"), 2)
    made.add(build._replace(again=True), ("debug",), 1)
    if towbar.SANITIZE:
        return made
    made.add(build._replace(level="-O0"), ("debug",), 1)
    if corpus.has("clang"):
        made.add(build._replace(compiler="clang", level="-Os", pie=False), ("debug",), 1)
    return made


def add_all(made, runs=2):
    for compiler in filter(corpus.has, corpus.COMPILERS):
        for level in corpus.LEVELS:
            for pie in (True, False):
                for again in (False, True):
                    made.add(corpus.Build(compiler, level, pie, again), corpus.FORMS, runs)
    return made

"""Debug data with the build ID of somebody else's library: they name nothing of other users, also
once the library is gone and its index is all that is left of it."""

import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import strangers  # noqa: E402
from strangers import DAEMON, NOBODY  # noqa: E402

LIBRARY = """
int moved;
__attribute__((noinline)) static void NAME(int *at) { *at = 1; moved++; }
void enter(int *at) { NAME(at); moved++; }
"""
HOST = """
#include <dlfcn.h>
int main(int argc, char **argv)
{
    void (*enter)(int *) = dlsym(dlopen(argv[1], RTLD_NOW), "enter");
    (void)argc;
    enter((int *)8);
    return 0;
}
"""
ID = "0123456789abcdef0123456789abcdef01234567"


class ForgedDebugTest(strangers.Case):
    """The agent is root, and so is the owner of the library."""

    def setUp(self):
        super().setUp()
        self.system = self.folder_of(0, "system")
        self.theirs = self.folder_of(NOBODY, "theirs")
        self.host = self.path("host")
        os.mkdir(self.path("src"))
        self.write("host.c", HOST)
        self.write("lib.c", LIBRARY)
        self.build(["gcc", "-O1", "-g", self.path("host.c"), "-o", self.host])
        self.library = os.path.join(self.system, "libvictim.so")
        self.honest = self.debug_of("honest_function")
        self.forged = self.debug_of("forged_function")
        self.compile_library("honest_function", self.library)
        self.run_tool("objcopy", "--strip-all", f"--add-gnu-debuglink={self.honest}", self.library)
        self.link = os.path.join(self.theirs, "libvictim.so")
        os.symlink(self.library, self.link)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def compile_library(self, function, path):
        self.build(["gcc", "-O1", "-g", "-shared", "-fPIC", f"-Wl,--build-id=0x{ID}",
                    f"-DNAME={function}", self.path("lib.c"), "-o", path])  # fmt: skip

    def debug_of(self, function):
        """Debug data in a folder of their own, by the name of the link; all of one length."""
        folder = self.folder_of(0, function)
        path = os.path.join(folder, "libvictim.debug")
        self.compile_library(function, path + ".so")
        self.run_tool("objcopy", "--only-keep-debug", path + ".so", path)
        os.truncate(path, 100000)
        os.utime(path, (1000, 1000))
        return path

    def put(self, debug, folder, owner):
        path = shutil.copy2(debug, folder)
        os.chown(path, owner, owner)
        os.chmod(path, 0o644)
        os.utime(path, (1000, 1000))

    def crash_of(self, uid, library):
        return self.crash_as(uid, self.host, library)

    def innermost(self, crash):
        return self.read()[crash]["body"]["trace"]["frames"][-1]["method"]

    def replace_library(self):
        os.unlink(self.library)
        with open(self.library, "w", encoding="utf-8") as file:
            file.write("another version\n")

    def attack(self):
        """By the link, with debug data beside it."""
        self.put(self.forged, self.theirs, NOBODY)
        return self.innermost(self.crash_of(NOBODY, self.link))

    def test_library_without_debug_data(self):
        before = self.crash_of(DAEMON, self.library)
        self.assertEqual(self.innermost(before), "<unknown>")
        self.assertEqual(self.attack(), "<unknown>")
        after = self.crash_of(DAEMON, self.library)
        self.assertEqual(self.innermost(after), "<unknown>")
        last = self.crash_of(DAEMON, self.library)
        self.replace_library()
        self.assertEqual(self.innermost(last), "<unknown>")

    def test_library_with_debug_data_of_the_same_size_and_time(self):
        self.put(self.honest, self.system, 0)
        self.assertEqual(self.attack(), "honest_function")
        after = self.crash_of(DAEMON, self.library)
        self.assertEqual(self.innermost(after), "honest_function")
        last = self.crash_of(DAEMON, self.library)
        self.replace_library()
        self.assertEqual(self.innermost(last), "honest_function")

    def test_debug_data_that_a_user_put_beside_the_library_itself(self):
        """As in a folder that all may write to: his own reports have them, until they go."""
        self.put(self.forged, self.system, NOBODY)
        self.assertEqual(self.innermost(self.crash_of(NOBODY, self.library)), "forged_function")
        last = self.crash_of(DAEMON, self.library)
        self.replace_library()
        os.unlink(os.path.join(self.system, "libvictim.debug"))
        self.assertEqual(self.innermost(last), "<unknown>")


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""bash and zsh with the project's completion, each with its own line editor on a terminal: types a line, inserts all
completions, and reads the line back."""

import atexit
import fcntl
import os
import pty
import select
import shlex
import signal
import struct
import tempfile
import termios
import time

DEADLINE = 30
DUMP = os.path.join(tempfile.gettempdir(), f"nswarden-zcompdump-{os.getpid()}")  # zsh's list of completions, which takes a second to collect
atexit.register(lambda: os.path.exists(DUMP) and os.unlink(DUMP))
BASH = r"""
source %s
bind 'set enable-bracketed-paste off'
bind '"\C-xa": insert-completions'
tell() { printf '%%s\0' "$READLINE_LINE" >>"$TOLD"; READLINE_LINE=; READLINE_POINT=0; }
bind -x '"\C-xd": tell'
printf 'ready\0' >>"$TOLD"
"""
ZSH = r"""
fpath=(%s $fpath)
autoload -Uz compinit
compinit -u -d %s
every() { _main_complete; compstate[insert]=all; compstate[list]= }
zle -C every complete-word every
tell() { print -rN -- "$BUFFER" >>$TOLD; BUFFER= }
zle -N tell
bindkey '^Xa' every '^Xd' tell
print -rN ready >>$TOLD
"""


class Shell:
    """`script` is the completion, alone in its directory. `before` runs first, in a separate mount namespace."""

    def __init__(self, kind, script, directory, before=""):
        self.kind, self.seen, self.answers = kind, b"", 0
        folder = os.path.dirname(script)
        self.answer_file, setup = os.path.join(folder, ".told"), os.path.join(folder, ".setup")
        with open(self.answer_file, "w", encoding="utf-8"):
            pass
        with open(setup, "w", encoding="utf-8") as file:
            file.write(BASH % script if kind == "bash" else ZSH % (folder, DUMP))
        start = ["bash", "--noprofile", "--rcfile", setup, "-i"] if kind == "bash" else ["zsh", "-f", "-i"]
        if before:
            start = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", before + '\nexec "$@"', "sh", *start]
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(directory)
                os.execvpe(start[0], start, dict(os.environ, TOLD=self.answer_file, TERM="vt100", HOME=directory, LC_ALL="C.UTF-8"))
            finally:
                os._exit(127)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 1000, 0, 0))
        if kind == "zsh":
            self.type(f"source {shlex.quote(setup)}\r")
        self.answer()

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)

    def type(self, text):
        os.write(self.terminal, os.fsencode(text))

    def answer(self):
        end = time.monotonic() + DEADLINE
        self.answers += 1
        while True:
            ready, _, _ = select.select([self.terminal], [], [], 0.02)  # its output has to be read, or it blocks
            if ready:
                self.seen += os.read(self.terminal, 65536)
            with open(self.answer_file, "rb") as file:
                answers = file.read().split(b"\0")
            if len(answers) > self.answers:
                return os.fsdecode(answers[self.answers - 1])
            if time.monotonic() > end:
                raise AssertionError(f"the shell does not answer: {self.seen[-2000:]!r}")

    def complete(self, line):
        """All candidates at the end of `line`, as the program would get them. A flag with a value may have a = at its end."""
        self.type(line + "\x18a\x18d")
        got = self.answer()
        head, last = line.rpartition(" ")[::2]
        assert got.startswith(head), got
        words = shlex.split(got[len(head):])
        if words == shlex.split(last):
            return set()
        flag = last[:last.find("=") + 1]  # bash does not repeat it before each value, zsh does
        return {word.removeprefix(flag) for word in words}

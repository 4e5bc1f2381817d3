# SPDX-License-Identifier: Apache-2.0
"""Lists of differences between the binary and the man pages, completions and reference pages in docs/; empty if they agree."""

import re

import cli_help
from pages import rows, sections

# The man page's names of types that the schema defines by name. A list of words represents itself.
TYPES = {
    "version": "1", "paths": "path or list of paths", "directories": "list of absolute paths", "boolean": "boolean", "duration": "duration",
    "budget": "number", "policies": "list of policies", "name": "text", "note": "text", "pattern": "pattern",
    "patterns": "pattern or list of patterns", "sysctls": "map of settings", "keys": "list of keys", "commands": "map", "value": "value",
    "bound": "numbers", "pair": "list of two numbers", "values": "list of values", "command_list": "list of commands",
    "events": "map from events to lists of commands",
}


def differences(what, ours, theirs):
    """The binary is the reference."""
    if isinstance(ours, dict):
        lines = [f"{what}: {key} is {theirs[key]}, not {ours[key]}" for key in ours if key in theirs and ours[key] != theirs[key]]
    else:
        lines = []
    lines += [f"{what} lacks {key}" for key in ours if key not in theirs]
    return lines + [f"{what} invents {key}" for key in theirs if key not in ours]


def without(flags, *names):
    return {name: flag for name, flag in flags.items() if name not in names}


def flags_of(section):
    """Of the items of a part of nswarden(1)."""
    found = {}
    for item in section.items:
        match = re.fullmatch(r"Fl -(\S+)(?: Ns = Ns Ar ([A-Z]+))?", item.head)
        if match:
            found[match[1]] = cli_help.Flag(match[2] or "", item.default.split(" ")[0].rstrip(",") if item.default else "")
    return found


def page_differences(commands, page):
    parts = sections(page)
    common = flags_of(parts["Common options"])
    described = {title.removeprefix("nswarden ") for title in parts if title.startswith("nswarden ")}
    leaves = {name for name, command in commands.items() if name and not command.commands}
    found = differences("nswarden(1)", leaves, described)
    found += differences("Common options", without(commands[""].flags, "help", "version"), common)
    for name in sorted(leaves & described):
        part = parts[f"nswarden {name}"]
        flags = flags_of(part) | (common if any(line.startswith(".Sx Common options ") for line in part.lines) else {})
        found += differences(f"nswarden(1), {name}", without(commands[name].flags, "help"), flags)
    synopsis = re.sub(r"\n\.(Op|Ar)", r" \1", "\n".join(parts["SYNOPSIS"].lines))
    lines = dict(re.findall(r"^\.Cm ([a-z ]+?)((?: (?:Op|Ar) .*)?)$", synopsis, re.MULTILINE))
    for name in sorted(leaves):
        shown = re.sub(r"Ar | (?=\.\.\.)", "", re.sub(r"Op (Ar )?([A-Z]+(?: \.\.\.)?)", r"[\2]", lines.get(name, "none")))
        found += differences(f"synopsis of {name}", {commands[name].operands}, {shown.replace("[OPTIONS]", "").strip()})
    return found


def docs_differences(commands, document):
    found = []
    for heading, command in (("Flags", "run"), ("nswarden status", "status")):
        table = {}
        for cells in rows(document, heading):
            table.update({name: cells[1] for name in re.findall(r"`--([^`]+)`", cells[0])})
        flags = without(commands[command].flags, "help")
        found += differences(f"docs, {heading}", set(flags), set(table))
        for name, flag in flags.items():
            cell = table.get(name, "").replace("`", "")
            if flag.default and flag.default not in re.split(r"[, ]+", cell):
                found.append(f"docs: the default of --{name} is {flag.default}, not {cell}")
    return found


def type_of(schema, field):
    name = field["$ref"].removeprefix("#/definitions/")
    words = schema["definitions"][name].get("enum", [None])
    return TYPES.get(name) or " | ".join(str(word) for word in words)


def default_in_docs(document):
    """Of the fields of the file and of a policy."""
    found = {}
    for heading in ("Top-level fields", "Policy fields"):
        for cells in rows(re.sub(r"^```.*?^```", "", document, flags=re.MULTILINE | re.DOTALL), heading):
            names = re.findall(r"`([a-z_]+)`", cells[0])
            texts = cells[1].replace("`", "").replace("required", "").split(" and ")
            for name, text in zip(names, texts * len(names)):
                found[(heading, name)] = text
    return found


def yaml_differences(schema, page, document):
    parts, in_docs, found = sections(page), default_in_docs(document), []
    definitions = schema["definitions"]
    for title, object_, heading in (("The file", schema, "Top-level fields"), ("A policy", definitions["policy"], "Policy fields"),
                                    ("A setting", definitions["setting"]["oneOf"][1], ""), ("Commands", definitions["commands"], "")):
        items = {}
        for item in parts[title].items:
            name, type_ = re.fullmatch(r"Cm (\w+) : (?:Ar|Cm) (.*)", item.head).groups()
            items[name] = (type_, "Required." in item.body, item.default)
        fields = {}
        for name, field in object_["properties"].items():
            default = in_docs.get((heading, name), "") if heading else items.get(name, ("", "", ""))[2]
            fields[name] = (type_of(schema, field), name in object_.get("required", []), str(field.get("default", default)))
        found += differences(f"nswarden.yaml(5), {title}", fields, items)
    names = {name for line in parts["Commands"].lines if line.startswith(".Cm IN_") for name in re.findall(r"IN_\w+", line)}
    return found + differences("nswarden.yaml(5), events", set(definitions["events"]["properties"]), names)


def completion_differences(shell, commands):
    found = []
    for name, command in commands.items():
        line = f"nswarden {name} ".replace("  ", " ")
        if command.commands:
            offered = shell.complete(line)
            found += differences(f"{shell.kind}, {name}", set(command.commands), offered)
        offered = shell.complete(line + "--")
        names = {f"--{flag}" for flag in command.flags}
        found += differences(f"{shell.kind}, flags of {name}", names, {flag.removesuffix("=") for flag in offered})
        if shell.kind == "bash":  # zsh leaves out the = until one is chosen
            found += differences(f"bash, values of {name}", {f"--{flag}=" for flag, told_of in command.flags.items() if told_of.value},
                                 {flag for flag in offered if flag.endswith("=")})
        for flag in [flag for flag, told_of in command.flags.items() if told_of.value in ("LEVEL", "FORMAT")]:
            for separator in "= ":
                offered = shell.complete(f"{line}--{flag}{separator}")
                found += differences(f"{shell.kind}, {line}--{flag}{separator}", cli_help.choices(name, flag), offered)
    return found

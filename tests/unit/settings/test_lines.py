"""Where the keys of a TOML text stand."""

from entrykit.settings import lines


def test_a_key_has_the_line_that_it_stands_on() -> None:
    text = """\
a = 1
"b c" = 2
d.e = 3

[t]  # a comment
x = 4
 y.z = 5
[t.'u v'.w]
x = 6
[[array]]
[[array]]
x = 7
"""
    found = lines.find(text)
    assert {path: found[path] for path in found if found[path] != 0} == {
        ("a",): 1,
        ("b c",): 2,
        ("d",): 3,
        ("d", "e"): 3,
        ("t",): 5,
        ("t", "x"): 6,
        ("t", "y"): 7,
        ("t", "y", "z"): 7,
        ("t", "u v"): 8,
        ("t", "u v", "w"): 8,
        ("t", "u v", "w", "x"): 9,
        ("array",): 10,
        ("array", "1"): 10,
        ("array", "2"): 11,
        ("array", "2", "x"): 12,
    }


def test_what_stands_in_a_string_of_several_lines_is_no_key() -> None:
    text = "a = '''\nb = 1\n[c]\n'''\nd = \"\"\"e\nf = 1\"\"\"\ng = 2\n"
    assert lines.find(text) == {("a",): 1, ("d",): 5, ("g",): 7}


def test_a_string_that_ends_on_its_line_leaves_the_next_line_alone() -> None:
    assert lines.find("a = '''x'''\nb = 1\nc = \"\"\"'''\"\"\"\nd = 1\n")["d",] == 4

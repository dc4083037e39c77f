"""What people like, use, and ask for."""

from __future__ import annotations

from openviking.memory.rules.rule import AM, VAGUE, Rule, pattern

PREFERENCES: tuple[Rule, ...] = (
    Rule(
        "favourite", "preferences",
        pattern(r"my (?P<what>favou?rite \w+(?: \w+)?) (?:is|are) <v>"),
        "{what}", "The user's {what} is {v}.",
        (("my favourite colour is teal", "The user's favourite colour is teal."),),
        kind="preference",
    ),
    Rule(
        "likes", "preferences",
        pattern(rf"i (?:really |absolutely |just |do |still )*(?:like|love|enjoy|adore) "
                 rf"(?!{VAGUE})<v>|{AM} (?:a (?:big|huge) fan of|fond of) (?!{VAGUE})<w>"),
        "likes-{v}", "The user likes {v}.",
        (("I love dark chocolate.", "The user likes dark chocolate."),
         ("I'm a big fan of bouldering", "The user likes bouldering.")),
        kind="preference",
    ),
    Rule(
        "dislikes", "preferences",
        pattern(r"i (?:really |absolutely |just )*(?:hate|dislike|detest|loathe|can't stand|cannot "
                 rf"stand|can't bear) (?!{VAGUE})<v>"),
        "likes-{v}", "The user dislikes {v}.",
        (("I can't stand coriander.", "The user dislikes coriander."),),
        kind="preference",
    ),
    Rule(
        "likes no more", "preferences",
        pattern(r"i (?:don't|do not) (?:like|love|enjoy) <v> any ?more|"
                 r"i no longer (?:like|love|enjoy) <w>|i(?:'ve)? stopped liking <x>"),
        "likes-{v}", "The user no longer likes {v}.",
        (("I no longer like dark chocolate.", "The user no longer likes dark chocolate."),),
        kind="preference", is_end=True,
    ),
    Rule(
        "prefers", "preferences",
        pattern(rf"i(?:'d)? (?:much |really |generally |usually )?prefer (?!{VAGUE})<v>"
                 r"(?: (?:over|to|rather than|instead of) <other>)?"),
        "prefers-{pair}", "The user prefers {v}[ over {other}].",
        (("I prefer tea over coffee.", "The user prefers tea over coffee."),
         ("I prefer window seats", "The user prefers window seats.")),
        kind="preference",
    ),
    Rule(
        "uses", "preferences",
        pattern(r"(?:i|we)(?: now| always| mostly| currently| mainly| usually)? use "
                 rf"(?!{VAGUE}|the (?:same|following)\b)<v>|"
                 rf"(?:{AM}|we're|we are) (?:now )?using (?!{VAGUE})<w>|"
                 r"(?:i|we)(?:'ve| have)?(?: just| recently| finally)? switched"
                 r"(?: over)?(?: from .{1,40}?)? to <x>"),
        "uses-{v}", "The user uses {v}.",
        (("We use Postgres for everything.", "The user uses Postgres."),
         ("I switched from Vim to Helix.", "The user uses Helix.")),
        kind="preference",
    ),
    Rule(
        "uses no more", "preferences",
        pattern(r"(?:i|we) no longer use <v>|(?:i|we) (?:don't|do not) use <w> any ?more|"
                 r"(?:i|we)(?:'ve| have)? (?:stopped using|given up on|got rid of|ditched|dropped)"
                 r" <x>|(?:i|we)(?:'ve| have)?(?: just| recently| finally)? switched"
                 r"(?: over)? from <y> to .{1,60}"),
        "uses-{v}", "The user no longer uses {v}.",
        (("I no longer use vim.", "The user no longer uses vim."),
         ("We stopped using Jenkins last year", "The user no longer uses Jenkins.")),
        kind="preference", is_end=True,
    ),
    Rule(
        "instruction", "preferences",
        pattern(r"(?P<v>(?:from now on,? )?(?:always|never) (?:answer|reply|respond|use|write|"
                 r"format|"
                 r"explain|include|translate|address me|speak|remind me) .{2,150})"),
        "instruction-{v}", "The user asks: {v}.",
        (("Please always answer in German.", "The user asks: always answer in German."),
         ("Never use tabs in code for me.", "The user asks: Never use tabs in code for me.")),
        kind="preference", is_long=True, is_bare=True,
    ),
)  # fmt: skip
"""What people like, use, and ask for."""

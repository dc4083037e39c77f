"""Who and what belongs to people."""

from __future__ import annotations

from openviking.memory.rules.rule import Rule, pattern

_RELATIVE = (
    "wife|husband|spouse|partner|girlfriend|boyfriend|fiancée?|mother|mom|mum|father|dad|boss|"
    "manager|landlord|landlady|roommate|flatmate|therapist|doctor|dentist|accountant|lawyer|"
    "supervisor|mentor|team|company|startup|employer|product|project|app|boat|car|house|blog|"
    "band|website"
)
_KIN = (
    "son|daughter|brother|sister|child|kid|baby|dog|cat|horse|parrot|rabbit|hamster|pet|puppy|"
    "kitten|tortoise|aunt|uncle|cousin|niece|nephew|grandmother|grandfather|grandma|grandpa|"
    "colleague|friend|neighbour|neighbor|coworker|co-worker|teammate|server|cluster|database|repo|"
    "repository|service"
)

ENTITIES: tuple[Rule, ...] = (
    Rule(
        "relative", "entities",
        pattern(rf"(?:my|our) (?P<what>{_RELATIVE})(?:'s name is| is called| is named) "
                 r"(?-i:(?=[A-ZÀ-Ý0-9]))<v>"),
        "{what}", "The user's {what} is called {v}.",
        (("My wife's name is Ines.", "The user's wife is called Ines."),
         ("Our project is called Northwind", "The user's project is called Northwind.")),
    ),
    Rule(
        "kin", "entities",
        pattern(r"(?:my|our) (?P<what>(?:(?:older|younger|big|little|eldest|youngest|best) )?"
                 rf"(?:{_KIN}))(?:'s name is| is called| is named) (?-i:(?=[A-ZÀ-Ý]))<v>|"
                 rf"(?:i|we) (?:have|own|got) an? (?:\w+ )?(?P<what2>{_KIN}) (?:called|named) "
                 r"(?-i:(?=[A-ZÀ-Ý]))<w>"),
        "{what}-{v}", "The user's {what} is called {v}.",
        (("My dog is called Rex.", "The user's dog is called Rex."),
         ("I have a little daughter named Ada", "The user's daughter is called Ada.")),
    ),
    Rule(
        "owns", "entities",
        pattern(r"(?:i|we)(?:'ve| have)?(?: just| recently| finally)? (?:bought|adopted) "
                 r"(?P<v>(?:an?|two|three) .{2,60}?)"
                 r"(?: (?:last|this|on|in|from|at|yesterday|today) .*)?"),
        "owns-{v}", "The user bought or adopted {v}.",
        (("We finally bought a cargo bike last week.",
          "The user bought or adopted a cargo bike."),),
    ),
)  # fmt: skip
"""Who and what belongs to people."""

"""What people are: names, places, work, age, languages, health."""

from __future__ import annotations

import re

from openviking.memory.rules.rule import AM, Rule, pattern

_ROLE = (
    "engineer|developer|programmer|coder|teacher|tutor|nurse|doctor|physician|surgeon|dentist|"
    "designer|manager|student|lawyer|attorney|scientist|researcher|writer|author|consultant|"
    "analyst|architect|accountant|chef|cook|baker|artist|musician|journalist|carpenter|"
    "electrician|plumber|pilot|translator|interpreter|librarian|professor|founder|freelancer|"
    "pharmacist|physicist|biologist|chemist|photographer|administrator|admin|mechanic|"
    "veterinarian|vet|therapist|psychologist|farmer|gardener|firefighter|paramedic|midwife|"
    "salesperson|bookkeeper|statistician|economist|historian|geologist|linguist|retiree|pensioner"
)
_OWN = (
    "time ?zone|pronouns|e-?mail(?: address)?|phone number|address|nationality|blood type|"
    "shirt size|shoe size|native language|mother tongue|job title|home ?town|zodiac sign|"
    "working hours|operating system"
)
# What people move to and from that is no place.
_NO_PLACE = (
    "linux|windows|mac|macos|ubuntu|debian|fedora|arch|nixos|postgres|postgresql|mysql|sqlite|mongo|"
    "mongodb|redis|kubernetes|k8s|docker|podman|aws|azure|gcp|github|gitlab|git|jira|linear|asana|"
    "rust|go|golang|python|java|javascript|typescript|kotlin|swift|react|vue|svelte|angular|django|"
    "vim|neovim|emacs|helix|vs|vscode|cursor|slack|teams|discord|zoom|notion|obsidian|evernote|"
    "figma|firefox|chrome|safari|android|ios|iphone|spotify|gmail|outlook|proton|terraform|"
    "monday|tuesday|wednesday|thursday|friday|saturday|sunday|plan|step|phase|version|chapter"
)

PROFILE: tuple[Rule, ...] = (
    Rule(
        "name", "profile",
        pattern(r"my (?:full |first )?name(?: is|'s) <v>|(?:i am|i'm) called <w>"),
        "name", "The user's name is {v}.",
        (("Hi, my name is Olga.", "The user's name is Olga."),
         ("my name's sam and I live in Leeds", "The user's name is sam."),
         ("No, I'm called Bo!", "The user's name is Bo.")),
    ),
    Rule(
        "call me", "profile",
        pattern(r"(?:(?:you can|you may|just|everyone|everybody|people|friends|they|my friends) )*"
                 r"calls? me (?-i:(?=[A-ZÀ-Ý]))<v>"),
        "name", "The user's name is {v}.",
        (("Actually, call me Sam.", "The user's name is Sam."),
         ("Everyone calls me Lotte", "The user's name is Lotte.")),
    ),
    Rule(
        "greeting", "profile",
        # Peoples, faiths and trades are written like names: "I'm Swedish".
        pattern(rf"{AM} (?-i:(?P<v>[A-ZÀ-Ý][a-zà-ÿ]+(?: [A-ZÀ-Ý][a-zà-ÿ]+)?))(?<!an)(?<!ese)"
                 r"(?<!ish)(?<!ic)(?<!ch)(?<!ist)(?<!im)(?<!ed)(?<!ing)"),
        "name", "The user's name is {v}.",
        (("Hello, I'm Priya.", "The user's name is Priya."),),
        lead=re.compile(r"\b(?:hi|hello|hey)\b", re.IGNORECASE),
    ),
    Rule(
        "home", "profile",
        pattern(r"(?:i live|i'm living|i am living|i reside|i'm based|i am based)"
                 r"(?: now| currently)? (?:in|at|near) <v>|"
                 r"(?:i|we)(?:'ve| have)?(?: just| recently)? relocated(?: from .{2,40}?)? to <w>|"
                 r"i(?:'ve| have)?(?: just| recently| now| finally)? moved(?: back| over)?"
                 rf"(?: from .{{2,40}}?)? to (?!(?:{_NO_PLACE})\b)(?-i:(?=[A-ZÀ-Ý]))<x>"),
        "home", "The user lives in {v}.",
        (("I live in Paris.", "The user lives in Paris."),
         ("Update: I've just moved from Paris to Berlin!", "The user lives in Berlin."),
         ("we relocated to the south of France", "The user lives in the south of France.")),
    ),
    Rule(
        "home ended", "profile",
        pattern(r"i no longer live (?:in|at|near) <v>|"
                r"i (?:don't|do not) live (?:in|at|near) <w> any ?more|"
                r"i(?:'ve| have)? moved (?:out of|away from) <x>"),
        "home", "The user no longer lives there.",
        (("I don't live in Paris anymore.", "The user no longer lives there."),
         ("I've moved away from Paris", "The user no longer lives there.")),
        is_end=True,
    ),
    Rule(
        "origin", "profile",
        pattern(r"(?:i come|i'm|i am|i'm originally|i am originally|i originally come) from "
                r"(?-i:(?=[A-ZÀ-Ý]|an? |the (?:north|south|east|west|coast)))<v>|"
                 r"i grew up in <w>"),
        "origin", "The user comes from {v}.",
        (("I'm originally from Gdansk.", "The user comes from Gdansk."),
         ("I grew up in a village near Cork", "The user comes from a village near Cork.")),
    ),
    Rule(
        "employer", "profile",
        pattern(r"(?:i work|i'm working|i am working|i'm employed)(?: now| currently)? (?:at|for) "
                 r"(?!the moment|my own|a living)<v>|i(?:'ve| have)?(?: just| recently)? started "
                 r"working (?:at|for) <w>"),
        "employer", "The user works at {v}.",
        (("I work at Acme Robotics.", "The user works at Acme Robotics."),
         ("I just started working for Initech", "The user works at Initech.")),
    ),
    Rule(
        "employer ended", "profile",
        pattern(r"i no longer work (?:at|for) <v>|i (?:don't|do not) work (?:at|for) <w> any ?more|"
                 r"i(?:'ve| have)? (?:quit|left) my job(?: (?:at|with) <x>)?|"
                 r"i(?: got| was|'ve been) laid off.*|i stopped working (?:at|for) <y>"),
        "employer", "The user no longer works there.",
        (("I quit my job at Acme.", "The user no longer works there."),
         ("I no longer work for Initech", "The user no longer works there.")),
        is_end=True,
    ),
    Rule(
        "occupation", "profile",
        pattern(rf"i work as an? <v>|(?:{AM}|i became|i've become)(?: now)? an? "
                 rf"(?P<w>(?:[\w-]+ ){{0,3}}(?:{_ROLE}))"
                 r"(?: (?:at|in|for|from|by|with|and|working) .*)?"),
        "occupation", "The user is {an} {v}.",
        (("I'm a backend developer at Acme.", "The user is a backend developer."),
         ("I work as an interpreter", "The user is an interpreter.")),
    ),
    Rule(
        "birthday", "profile",
        pattern(r"my birthday is(?: on)? <v>"),
        "birthday", "The user's birthday is {v}.",
        (("My birthday is on the 3rd of May.", "The user's birthday is the 3rd of May."),),
    ),
    Rule(
        "born", "profile",
        pattern(r"i was born (?P<v>(?:on|in) .{0,40}\d.{0,20})"),
        "born", "The user was born {v}.",
        (("I was born in Leeds in 1987", "The user was born in Leeds in 1987."),),
        is_long=True,
    ),
    Rule(
        "age", "profile",
        pattern(rf"{AM}(?: now)? (?P<v>\d{{1,3}})(?: years old| y/?o)"),
        "age", "The user is {v} years old.",
        (("I'm 34 years old.", "The user is 34 years old."),),
    ),
    Rule(
        "language", "profile",
        pattern(r"i speak(?: fluent| some| a little| native)? (?-i:(?=[A-Z]))<v>|"
                 rf"{AM} fluent in (?-i:(?=[A-Z]))<w>"),
        "speaks-{v}", "The user speaks {v}.",
        (("I speak Polish.", "The user speaks Polish."),),
    ),
    Rule(
        "allergy", "profile",
        pattern(rf"{AM} (?:\w+ly )?(?:allergic|intolerant) to <v>"),
        "allergy-{v}", "The user is allergic to {v}.",
        (("By the way, I'm severely allergic to peanuts.", "The user is allergic to peanuts."),),
    ),
    Rule(
        "diet", "profile",
        pattern(rf"{AM}(?: now)? (?:an? )?(?P<v>vegan|vegetarian|pescatarian|teetotal|"
                 r"gluten[- ]free|lactose[- ]intolerant|diabetic|coeliac|celiac)"),
        "diet", "The user is {v}.",
        (("I'm vegetarian.", "The user is vegetarian."),),
    ),
    Rule(
        "marriage", "profile",
        pattern(rf"{AM}(?: now)? (?P<v>married|divorced|engaged|widowed)(?: now| to .*)?"),
        "marital-status", "The user is {v}.",
        (("I'm married now.", "The user is married."),),
    ),
    Rule(
        "own", "profile",
        pattern(rf"my (?P<what>{_OWN}) (?:is|are) <v>"),
        "{what}", "The user's {what} is {v}.",
        (("My time zone is CET.", "The user's time zone is CET."),),
    ),
)  # fmt: skip
"""What people are: names, places, work, age, languages, health."""

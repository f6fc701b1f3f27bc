"""Networks, segments and users of the histories."""

Registry = dict[tuple[str, int], bool]


def registry(networks: int = 2, segments: int = 5) -> Registry:
    """Name the segments that a history speaks of; the highest id of each network is archived."""
    return {
        (network_name(network), segment): segment == segments
        for network in range(networks)
        for segment in range(1, segments + 1)
    }


def network_name(network: int) -> str:
    return ["acme", "Beta.co_2-x"][network] if network < 2 else f"network-{network}"


def user_names(users: int) -> list[str]:
    odd = [
        "ann@example.com",
        "a/b/../c?d=e&f#g%20",
        "\u017cółć-\U0001f600",
        "quo'te\"s\\and;--",
        " spaces stay ",
        "Stra\u00dfe@EXAMPLE.com",
        "strasse@example.com",
        "\u0130\u212a@example.com",
        "12345",
        "null",
        "a:b",
    ]
    return [*odd, *(f"user-{number}" for number in range(users))][:users]

"""What type checkers read also runs."""

from tests.type_checking.user_code import main


def test_the_code_that_type_checkers_read_runs() -> None:
    assert main() == 12

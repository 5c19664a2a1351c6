"""Commands that list what can be trained: recipes, models."""

from kseq.cli.options import add_command

_RECIPES_EXAMPLES = """
A recipe is a file of settings whose result on a public corpus is in docs/results.md:
  kseq fetch multi30k data
  kseq train --recipe multi30k-de-en --data data --out runs/de-en
  kseq evaluate runs/de-en --beam 5

Some recipes learn one of several languages: kseq train --recipe sigmorphon2020-g2p --language ice
"""


def add_recipes(subparsers):
    """Adds `kseq recipes`."""
    add_command(
        subparsers,
        "recipes",
        recipes,
        "list the recipes for kseq train --recipe",
        _RECIPES_EXAMPLES,
    )


def recipes(options):
    """Lists the recipes: `kseq.recipes.load_recipe`."""
    from kseq.recipes import load_recipe, recipe_names

    for name in recipe_names():
        recipe = load_recipe(name)
        print(f"{name:22}{recipe.about} (kseq fetch {recipe.fetch})")
        if recipe.languages:
            print(f"{'':22}--language {', '.join(recipe.languages)}")


_MODELS_EXAMPLES = """
Each line is a setting for kseq train, such as --set attention=luong_general. Settings that
contradict each other are rejected with a message that names the nearest combination that works.
"""


def add_models(subparsers):
    """Adds `kseq models`."""
    add_command(
        subparsers,
        "models",
        models,
        "list the mechanisms that models can combine, with their papers",
        _MODELS_EXAMPLES,
    )


def models(options):
    """Lists the mechanisms: `kseq.catalogue.table`."""
    from kseq.catalogue import table

    print(table())

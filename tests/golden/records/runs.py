"""What each record run is made of, at its own size and small."""
import dataclasses

from model import Config

# Corrected forms, at the end of the run: loops on, no late fake quantisation, no noise, complementary weights without
# counts (all 1). MiLe's exponent is what its schedule gives at 0.4 of the time: its peak.
MILE_GAMMA = 0.75

RUNS = {
    "baseline": Config(layers=9, rope_dims=64, mult=2, ln_scale=False),
    "pr-388": Config(
        rope_train_len=1024, bigram=(2048, 128), smear="channels", ve=(128, (9, 10)),
    ),
    "pr-1033": Config(
        rope_train_len=1024, bigram=(2048, 128), smear="channels", ve=(128, (9, 10)),
        value_residual=True, xsa_last=4, slope=0.5,
    ),
    "pr-1130": Config(
        rope_train_len=1024, bigram=(6144, 128), smear="channels", ve=(196, (5, 9, 10)), xsa_last=7, slope=0.5,
        lambdas=True, backout_layer=7, mile_gamma=MILE_GAMMA,
    ),
    "pr-1716": Config(
        vocab=8192, mult=4, slope=0.5, gain=5.0, bigram=(16384, 32), smear="window", smear_mask=True, xsa_last=11,
        gate="two-sigmoid", skip="gate", loop=(3, 5, 2), parallel_from=7,
    ),
    "pr-2163": Config(
        vocab=8192, mult=4, slope=0.5, gain=5.0, smear="window", smear_before_norm=True, smear_mask=True,
        xsa_last=11, gate="sparse", gate_scale=0.5,
        segment_length=2048, skip="gate", loop=(3, 5, 2), lanes_from=8, z_loss=1e-4,
    ),
}

# Small only: the runs' first phase, and runs as their scripts were, where that changes the model.
VARIANTS = {
    "pr-1716-before-loop": dataclasses.replace(RUNS["pr-1716"], loop_is_on=False),
    "pr-2163-before-loop": dataclasses.replace(RUNS["pr-2163"], loop_is_on=False),
    "pr-1716-as-published": dataclasses.replace(RUNS["pr-1716"], smear_mask=False, rope_bf16=True),
    "pr-2163-as-published": dataclasses.replace(RUNS["pr-2163"], z_shift=30.0, z_backprop=False, rope_bf16=True),
}

# Of the pull requests and their logs.
PARAMETERS = {
    "baseline": 17_059_912, "pr-388": 26_993_756, "pr-1033": 26_993_766, "pr-1130": 27_605_108,
    "pr-1716": 36_486_278, "pr-2163": 35_945_671,
}


def small(config: Config) -> Config:
    """The same structure in toy dimensions. Lengths shrink too, so that the NTK base is in use and segments are cut."""
    return dataclasses.replace(
        config, dim=32, heads=4, kv_heads=2, head_dim=8, vocab=64, context=40,
        rope_dims=8 if config.rope_dims == 64 else 4,
        rope_train_len=16 if config.rope_train_len else 0,
        bigram=(37, 6) if config.bigram else None,
        ve=(5, config.ve[1]) if config.ve else None,
        segment_length=10 if config.segment_length else 0,
    )

"""How many parameters, operations and bytes is a language model? Counted, not estimated.

Counts are exact for decoder-only transformers with gated or plain feed-forward layers and grouped
keys and values. Operations are those of the matrix products (one multiply-accumulate = 2 OP);
norms, activations, softmax and positions are left out: below 1 % of LLaMA-7B.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from edgelib.data import table
from edgelib.errors import Number, choice, integer, nonnegative, positive


@dataclass(frozen=True)
class Transformer:
    """The shape of a model: L layers of width d with h query heads and h_kv key/value heads of d_h.

    tied : the output matrix is the embedding matrix, stored once.
    mlp_matrices : 3 for gated feed-forward (SwiGLU, GeGLU), 2 for plain.
    vector_params : norm weights and biases of the whole model; never quantised.
    """

    name: str
    layers: int
    d_model: int
    heads: int
    kv_heads: int
    head_dim: int
    d_ff: int
    vocab: int
    tied: bool = False
    mlp_matrices: int = 3
    vector_params: int = 0
    source: str = "set by hand"

    def __post_init__(self) -> None:
        for name in ("layers", "d_model", "heads", "kv_heads", "head_dim", "d_ff", "vocab", "mlp_matrices"):
            integer(f"{self.name} {name}", getattr(self, name), at_least=1)
        integer(f"{self.name} vector_params", self.vector_params)
        if self.heads % self.kv_heads:
            raise ValueError(
                f"{self.name} kv_heads = {self.kv_heads}: expected a divisor of {self.heads} heads"
            )

    @property
    def layer_params(self) -> int:
        """Weights in the matrices of all layers: L (2 d d_h (h + h_kv) + m d d_ff)."""
        attention = 2 * self.d_model * self.head_dim * (self.heads + self.kv_heads)
        return self.layers * (attention + self.mlp_matrices * self.d_model * self.d_ff)

    @property
    def head_params(self) -> int:
        """Weights of the output matrix: V d."""
        return self.vocab * self.d_model

    @property
    def embedding_params(self) -> int:
        """Weights of the embedding, where it is a matrix of its own."""
        return 0 if self.tied else self.head_params

    @property
    def matmul_params(self) -> int:
        """Weights that every decoded token multiplies: layers and output matrix.

        LLaMA-7B: 6,607,077,376. The embedding is a look-up of one row and is not among them.
        """
        return self.layer_params + self.head_params

    @property
    def params(self) -> int:
        """All parameters. LLaMA-7B: 6,738,415,616."""
        return self.matmul_params + self.embedding_params + self.vector_params

    def kv_bytes_per_token(self, bits: Number = 16) -> Number:
        """Bytes of keys and values kept per token of context: 2 L h_kv d_h bits / 8.

        LLaMA-7B at 16 bits: 524,288.
        """
        return 2 * self.layers * self.kv_heads * self.head_dim * positive("bits", bits) / 8

    def decode_ops(self, context: Number = 0) -> Number:
        """Operations for one token after `context` tokens: 2 P_matmul + 4 L h d_h n.

        LLaMA-7B: 13.214 GOP + 0.524288 MOP per token of context.
        """
        attention = 4 * self.layers * self.heads * self.head_dim
        return 2 * self.matmul_params + attention * nonnegative("context", context)

    def prefill_linear_ops(self, prompt: Number) -> Number:
        """Operations of the weight matrices for a prompt of n tokens: 2 P_layers n + 2 P_head.

        Only the last token needs the output matrix.
        """
        return 2 * self.layer_params * positive("prompt", prompt) + 2 * self.head_params

    def prefill_attention_ops(self, prompt: Number, causal: bool = True) -> Number:
        """Operations of attention for a prompt of n tokens.

        Full square: 4 L h d_h n^2. Causal (token i looks at i tokens): 2 L h d_h n (n + 1).
        """
        n = positive("prompt", prompt)
        pairs = n * (n + 1) / 2 if causal else n * n
        return 4 * self.layers * self.heads * self.head_dim * pairs


def transformer_from_row(row: Mapping[str, str]) -> Transformer:
    """A model from one wide row: model, n_layers, d_model, n_heads, n_kv_heads, head_dim, d_ff,
    vocab_size, tied_embeddings (0/1), mlp_matrices."""

    def whole(column: str) -> int:
        try:
            return int(row[column])
        except ValueError:
            raise ValueError(f"{row['model']} {column} = {row[column]!r}: expected a whole number") from None

    return Transformer(
        name=row["model"],
        layers=whole("n_layers"),
        d_model=whole("d_model"),
        heads=whole("n_heads"),
        kv_heads=whole("n_kv_heads"),
        head_dim=whole("head_dim"),
        d_ff=whole("d_ff"),
        vocab=whole("vocab_size"),
        tied=bool(whole("tied_embeddings")),
        mlp_matrices=whole("mlp_matrices"),
        source=row.get("source") or "not stated",
    )


@cache
def _catalogue() -> dict[str, Transformer]:
    models = {}
    for row in table("models"):
        layers = int(row["layers"])
        models[row["model"]] = Transformer(
            name=row["model"],
            layers=layers,
            d_model=int(row["d_model"]),
            heads=int(row["heads"]),
            kv_heads=int(row["kv_heads"]),
            head_dim=int(row["head_dim"]),
            d_ff=int(row["d_ff"]),
            vocab=int(row["vocab"]),
            tied=row["tied"] == "1",
            mlp_matrices=int(row["mlp_matrices"]),
            vector_params=layers * int(row["extra_params_per_layer"]) + int(row["extra_params_final"]),
            source=row["source"],
        )
    return models


def model_names() -> tuple[str, ...]:
    """Names of all models in the catalogue."""
    return tuple(_catalogue())


def transformer(name: str) -> Transformer:
    """The model called `name`; UnknownName lists the nearest names."""
    return _catalogue()[choice("model", name, _catalogue())]

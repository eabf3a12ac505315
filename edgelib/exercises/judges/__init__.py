"""Who scores an answer that has no single right value? Judges, each a model of the library with constraints.

`judge(answer, **arguments) -> Verdict`; the learner's check and the grader call the same one, each with
arguments of its own.
"""

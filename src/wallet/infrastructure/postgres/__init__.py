"""Everything that speaks SQL; asyncpg is imported nowhere else."""

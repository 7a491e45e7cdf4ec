DROP TYPE new_instruction;
DROP TYPE new_entry;

"""What all trainers stand in: parameters, the base model, the course of a training, several processes."""
